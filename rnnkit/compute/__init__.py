"""Arithmetic: compiled kernels, scans, products, threads, and the fingerprint of all of it."""
