"""A stack of layers as a table of stages, which compiled code runs without a way back."""
