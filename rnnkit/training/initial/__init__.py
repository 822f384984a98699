"""What the parameters of a run begin with, where that is not drawn: another model, vectors."""
