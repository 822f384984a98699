"""rnnkit's own types, reached through entry points as a stranger's are."""
