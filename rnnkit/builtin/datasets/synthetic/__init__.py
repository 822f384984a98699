"""Data that is made up, for tasks whose right answer is known."""
