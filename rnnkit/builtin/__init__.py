"""rnnkit's own types, reached through entry points as those of any plugin are."""
