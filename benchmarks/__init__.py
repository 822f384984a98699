"""rnnkit against its peers on one machine: `make bench`, or `python -m benchmarks --help`.

Every library runs in a process of its own, from the same weights, on the same window, with the same
number of threads, and they take turns. docs/guide/speed.md says how to read the results.
"""
