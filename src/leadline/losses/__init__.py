"""Losses: functions of what a network puts out, logits or raw values, never of probabilities.

Each takes `reduction="mean"`, one number to go downhill on, or `"none"`, one value per sample [N], which shows the samples that
are learnt worst. Half-precision outputs are reckoned with in float32. Class numbers that do not exist are refused on the CPU;
on a GPU looking would mean waiting for it, so there it is the device that stops.
"""

from leadline.losses.choosing import LOSSES, Loss, get, per_member
from leadline.losses.classes import cross_entropy, entropy, kl_divergence
from leadline.losses.distances import absolute_error, huber, quantile, squared_error
from leadline.losses.hinges import crammer_singer, perceptron, weston_watkins
from leadline.losses.labels import binary_cross_entropy, binary_hinge
from leadline.losses.steps import each_step

__all__ = [
    "LOSSES",
    "Loss",
    "absolute_error",
    "binary_cross_entropy",
    "binary_hinge",
    "crammer_singer",
    "cross_entropy",
    "each_step",
    "entropy",
    "get",
    "huber",
    "kl_divergence",
    "per_member",
    "perceptron",
    "quantile",
    "squared_error",
    "weston_watkins",
]
