"""Compiled mathematics: arrays in, arrays out; the large products stay with the BLAS of NumPy.

Time loops of cells with the product of each step, the softmax, optimizers, the sampler. Each has
its reference in NumPy: the `mix` of a cell, the plain loops of a loss. `RNNKIT_KERNELS=numpy`, or
numba not installed, uses the reference everywhere.
"""
