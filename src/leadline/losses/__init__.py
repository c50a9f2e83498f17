"""Losses: functions of what a network puts out, logits or raw values, never of probabilities.

Each takes `reduction="mean"`, one number to go downhill on, or `"none"`, one value per sample [N], which shows the samples that
are learnt worst. Half-precision outputs are reckoned with in float32. Class numbers that do not exist are refused on the CPU;
on a GPU looking would mean waiting for it, so there it is the device that stops.
"""

from leadline.losses.adversarial import (
    ADVERSARIAL_LOSSES,
    AdversarialLoss,
    adversarial_loss,
    gradient_penalty,
    hinge_discriminator_loss,
    logistic_discriminator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    raised_score_loss,
    wasserstein_critic_loss,
)
from leadline.losses.choosing import LOSSES, Loss, get, per_member
from leadline.losses.classes import cross_entropy, entropy, kl_divergence
from leadline.losses.distances import absolute_error, huber, quantile, squared_error
from leadline.losses.hinges import crammer_singer, perceptron, weston_watkins
from leadline.losses.labels import binary_cross_entropy, binary_hinge
from leadline.losses.normal_codes import gaussian_kl, gaussian_kl_of_each, importance_bound, normal_log_density
from leadline.losses.reconstruction import bernoulli_nll, gaussian_nll
from leadline.losses.sparsity import sparsity_kl, sparsity_l1
from leadline.losses.steps import each_step

__all__ = [
    "ADVERSARIAL_LOSSES",
    "LOSSES",
    "AdversarialLoss",
    "Loss",
    "absolute_error",
    "adversarial_loss",
    "bernoulli_nll",
    "binary_cross_entropy",
    "binary_hinge",
    "crammer_singer",
    "cross_entropy",
    "each_step",
    "entropy",
    "gaussian_kl",
    "gaussian_kl_of_each",
    "gaussian_nll",
    "get",
    "gradient_penalty",
    "hinge_discriminator_loss",
    "huber",
    "importance_bound",
    "kl_divergence",
    "logistic_discriminator_loss",
    "minimax_generator_loss",
    "non_saturating_generator_loss",
    "normal_log_density",
    "per_member",
    "perceptron",
    "quantile",
    "raised_score_loss",
    "sparsity_kl",
    "sparsity_l1",
    "squared_error",
    "wasserstein_critic_loss",
    "weston_watkins",
]
