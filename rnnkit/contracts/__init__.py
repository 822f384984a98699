"""What a plugin author reads: the base class of every kind of type, and what finds them."""
