"""Layers that `torch.nn` lacks, and the names of the activations that it has."""

from leadline.layers.activations import ACTIVATIONS, activation

__all__ = ["ACTIVATIONS", "activation"]
