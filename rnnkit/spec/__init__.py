"""The spec: JSON to a validated value, every error with its line and column."""
