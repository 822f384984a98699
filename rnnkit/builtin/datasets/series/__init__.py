"""Series of numbers in time, and their forecasts."""
