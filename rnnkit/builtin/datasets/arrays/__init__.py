"""Data from memory: NumPy, pandas, polars, lists."""
