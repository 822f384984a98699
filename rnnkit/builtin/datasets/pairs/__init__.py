"""Pairs of a source text and a target text."""
