"""An encoder, a decoder, and what passes between them."""

from rnnkit.network.seq2seq.encoded import Encoded as Encoded
from rnnkit.network.seq2seq.encoded import source_of as source_of
from rnnkit.network.seq2seq.network import Bridge as Bridge
from rnnkit.network.seq2seq.network import Seq2Seq as Seq2Seq
from rnnkit.network.seq2seq.sizing import paired as paired

__all__ = ["Bridge", "Encoded", "Seq2Seq", "paired", "source_of"]
