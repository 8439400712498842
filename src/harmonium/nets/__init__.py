"""Feed-forward networks: what models are built from that is no probability."""

from harmonium.nets.mlp import ACTIVATIONS, MLP, check_activation

__all__ = ["ACTIVATIONS", "MLP", "check_activation"]
