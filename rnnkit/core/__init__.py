"""Values that everything else is made of: blocks, signals, parameters, contexts, initial values."""
