"""Feed-forward networks: what models are built from that is no probability."""

from harmonium.nets.mlp import ACTIVATIONS, MLP

__all__ = ["ACTIVATIONS", "MLP"]
