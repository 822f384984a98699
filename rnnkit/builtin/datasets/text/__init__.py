"""Text as parallel streams of tokens."""
