"""Weights of other programs: files read into layers, and layers found in a network of rnnkit."""
