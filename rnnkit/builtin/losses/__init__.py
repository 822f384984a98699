"""Losses; each file registers through an entry point."""
