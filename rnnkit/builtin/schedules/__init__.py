"""Learning-rate schedules; each file registers through an entry point."""
