"""Where weights start."""

from leadline.initialize.applying import get, initialize_weights
from leadline.initialize.gates import set_forget_bias
from leadline.initialize.prior import set_prior_bias
from leadline.initialize.rules import INITIALIZERS, dirac, he, lecun, normal, orthogonal, uniform, xavier
from leadline.initialize.whitening import whiten_patches

__all__ = [
    "INITIALIZERS",
    "dirac",
    "get",
    "he",
    "initialize_weights",
    "lecun",
    "normal",
    "orthogonal",
    "set_forget_bias",
    "set_prior_bias",
    "uniform",
    "whiten_patches",
    "xavier",
]
