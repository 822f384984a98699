"""One HDF5 file holds everything that a resumed run or a sampler needs.

h5py is imported here and nowhere else; no other part of rnnkit knows the file format.
"""
