"""Pictures: curves of training and of gradients, as SVG or in a terminal."""
