"""Layers that are not cells; each file registers through an entry point."""
