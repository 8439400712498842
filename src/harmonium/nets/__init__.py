"""Networks, feed-forward and recurrent: what models are built from that is no probability."""

from harmonium.nets.convolution import ConvDecoder, ConvEncoder
from harmonium.nets.gru import GRU
from harmonium.nets.low_rank import LowRank
from harmonium.nets.lstm import LSTM, Affine, Memory
from harmonium.nets.mlp import ACTIVATIONS, MLP, check_activation
from harmonium.nets.simple_rnn import SimpleRNN

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LSTM",
    "MLP",
    "Affine",
    "ConvDecoder",
    "ConvEncoder",
    "LowRank",
    "Memory",
    "SimpleRNN",
    "check_activation",
]
