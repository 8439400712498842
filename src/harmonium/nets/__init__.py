"""Networks, feed-forward and recurrent: what models are built from that is no probability."""

from harmonium.nets.convolution import ConvDecoder, ConvEncoder
from harmonium.nets.gru import GRU
from harmonium.nets.lstm import LSTM, Affine, Memory
from harmonium.nets.mlp import ACTIVATIONS, MLP, check_activation

__all__ = ["ACTIVATIONS", "GRU", "LSTM", "MLP", "Affine", "ConvDecoder", "ConvEncoder", "Memory", "check_activation"]
