"""From a spec to a network, and the ways to learn a window with it."""
