"""Recurrent cells; each file registers through an entry point."""
