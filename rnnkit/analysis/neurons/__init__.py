"""What a hidden unit reads: activations along a text, and the properties that they follow.

Source: Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent Networks", 2015.
"""
