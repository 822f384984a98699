"""Many models of one spec: which values are tried, by whom, and what came out."""
