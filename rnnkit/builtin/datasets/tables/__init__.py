"""Sequences from the rows of CSV and JSONL files."""
