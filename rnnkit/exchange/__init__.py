"""Models that go to other programs, each with a proof, and models that come from them."""
