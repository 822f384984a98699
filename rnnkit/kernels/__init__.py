"""Compiled pointwise mathematics: arrays in, arrays out. Products stay in NumPy.

Each kernel has its reference in NumPy beside it: the `mix` of a cell, the plain loops of a loss.
`RNNKIT_KERNELS=numpy`, or numba not installed, uses the reference everywhere.
"""
