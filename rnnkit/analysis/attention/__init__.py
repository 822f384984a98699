"""Where a decoder looks in its source, as a picture.

Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate", 2015, figure 3.
"""
