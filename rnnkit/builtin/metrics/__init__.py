"""Metrics of a split beyond weighted means; `choice` tells which go with a loss and its data."""
