"""What people look at: curves, gradients, neurons, attention."""
