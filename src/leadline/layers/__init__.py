"""Layers that `torch.nn` lacks, and the names of the activations that it has."""

from leadline.layers.activations import ACTIVATIONS, activation
from leadline.layers.embeddings import CategoryEmbedding
from leadline.layers.gated import Gated
from leadline.layers.members import BatchEnsembleLinear, MemberHeads, mean_of_members
from leadline.layers.one_hot import OneHot
from leadline.layers.periodic import Periodic
from leadline.layers.piecewise_linear import PiecewiseLinear

__all__ = [
    "ACTIVATIONS",
    "BatchEnsembleLinear",
    "CategoryEmbedding",
    "Gated",
    "MemberHeads",
    "OneHot",
    "Periodic",
    "PiecewiseLinear",
    "activation",
    "mean_of_members",
]
