"""What datasets of every kind share."""
