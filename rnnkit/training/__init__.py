"""Training, from a spec or a checkpoint to the last step."""
