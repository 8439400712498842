"""Feed-forward networks: what models are built from that is no probability."""

from harmonium.nets.convolution import ConvDecoder, ConvEncoder
from harmonium.nets.mlp import ACTIVATIONS, MLP, check_activation

__all__ = ["ACTIVATIONS", "MLP", "ConvDecoder", "ConvEncoder", "check_activation"]
