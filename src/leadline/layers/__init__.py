"""Layers that `torch.nn` lacks or that are faster here, and activations by name."""

from leadline.layers.activations import ACTIVATIONS, activation, widening
from leadline.layers.conditional_norm import ConditionalBatchNorm2d
from leadline.layers.drop_path import DropPath
from leadline.layers.embeddings import CategoryEmbedding
from leadline.layers.fast_dropout import FastDropout
from leadline.layers.fast_pooling import MaxPool2x2
from leadline.layers.fast_recurrent import FastGRU, FastLSTM, FastRNN, with_recurrent_weight
from leadline.layers.gated import Gated
from leadline.layers.lengths import (
    AttentionPooling,
    last_step,
    masked_max,
    masked_mean,
    reversed_rows,
    series_lengths,
    token_lengths,
)
from leadline.layers.level_arrays import TreeLevels, tree_levels
from leadline.layers.locally_connected import LocallyConnected2d
from leadline.layers.locked_dropout import LockedDropout
from leadline.layers.logistic import Logistic
from leadline.layers.maxout import Maxout, MaxoutConv2d, MaxoutLinear
from leadline.layers.members import BatchEnsembleLinear, MemberHeads, mean_of_members
from leadline.layers.one_hot import OneHot
from leadline.layers.peephole import PeepholeLSTM
from leadline.layers.periodic import Periodic
from leadline.layers.piecewise_linear import PiecewiseLinear
from leadline.layers.pointwise import POINTWISE, pointwise_activation
from leadline.layers.response_norm import LocalResponseNorm
from leadline.layers.same_convolution import SameConv2d, same_padding
from leadline.layers.same_pooling import SameAvgPool2d, SameMaxPool2d
from leadline.layers.sign import Sign
from leadline.layers.softmax import Softmax
from leadline.layers.spectral import SpectralNorm, with_spectral_norm
from leadline.layers.tree_layers import TREE_CELLS, ChildSumTreeLSTM, NaryTreeLSTM, TensorTreeRecursion, TreeRecursion
from leadline.layers.winner_take_all import WinnerTakeAll

__all__ = [
    "ACTIVATIONS",
    "POINTWISE",
    "TREE_CELLS",
    "AttentionPooling",
    "BatchEnsembleLinear",
    "CategoryEmbedding",
    "ChildSumTreeLSTM",
    "ConditionalBatchNorm2d",
    "DropPath",
    "FastDropout",
    "FastGRU",
    "FastLSTM",
    "FastRNN",
    "Gated",
    "LocalResponseNorm",
    "LocallyConnected2d",
    "LockedDropout",
    "Logistic",
    "MaxPool2x2",
    "Maxout",
    "MaxoutConv2d",
    "MaxoutLinear",
    "MemberHeads",
    "NaryTreeLSTM",
    "OneHot",
    "PeepholeLSTM",
    "Periodic",
    "PiecewiseLinear",
    "SameAvgPool2d",
    "SameConv2d",
    "SameMaxPool2d",
    "Sign",
    "Softmax",
    "SpectralNorm",
    "TensorTreeRecursion",
    "TreeLevels",
    "TreeRecursion",
    "WinnerTakeAll",
    "activation",
    "last_step",
    "masked_max",
    "masked_mean",
    "mean_of_members",
    "pointwise_activation",
    "reversed_rows",
    "same_padding",
    "series_lengths",
    "token_lengths",
    "tree_levels",
    "widening",
    "with_recurrent_weight",
    "with_spectral_norm",
]
