"""Files that outlive a kill: atomic writes, the outputs that a user names, the run lock."""
