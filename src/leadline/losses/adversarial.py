"""Losses of two networks that play against each other: functions of the discriminator's logits, real and fake.

The discriminator gives each picture one real number s: above 0 it takes it to be real. Both losses are means over the pictures,
in float32 at least, and none overflows, however sure the discriminator is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.losses import checks
from leadline.spelling import make


class AdversarialLoss(NamedTuple):
    """What either network goes downhill on, and how much the critic's slope weighs.

    `discriminator` is a function of real logits [N] and fake logits [M], `generator` of fake logits [M]; each gives a mean.
    `penalty` is λ, the weight of `gradient_penalty` in the discriminator's loss; 0 is for none.

    Example:
        >>> loss = adversarial_loss("hinge")
        >>> loss.discriminator(torch.tensor([0.5]), torch.tensor([-2.0])).item(), loss.penalty
        (0.5, 0.0)
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    penalty: float


def adversarial_loss(text: str) -> AdversarialLoss:
    """The pair of losses that a text names, with s the logits of real and f those of fake pictures.

    - minimax: discriminator −E log σ(s) − E log(1 − σ(f)), generator E log(1 − σ(f)): one game of two, the theory's own. Where
      the discriminator is sure, the generator's gradient vanishes.
    - non_saturating: the same discriminator, generator −E log σ(f): the same fixed point, and a gradient where it is needed.
    - hinge: discriminator E max(0, 1 − s) + E max(0, 1 + f), generator −E f.
    - wasserstein: critic E f − E s, generator −E f. The critic must not be steep, for which λ · `gradient_penalty` is added; it
      should be near its optimum before the generator moves (some five critic steps for one), and must not mix pictures by
      batch norm.

    Each takes `penalty`, λ: 10 for wasserstein where nothing is said, 0 for the others.

    Args:
        text: one of these, alone or with its argument: "hinge", "wasserstein(penalty=10)".

    Errors: `ArgumentError` for an unknown name, with the nearest right one, or a penalty below 0.

    Example:
        >>> adversarial_loss("wasserstein").penalty, adversarial_loss("non_saturating(penalty=1)").penalty
        (10.0, 1)

    Source: Goodfellow et al. (2014), Generative adversarial nets, for the first two; Lim and Ye (2017), Geometric GAN, for the
    hinge; Arjovsky, Chintala and Bottou (2017), Wasserstein GAN, with the penalty of Gulrajani et al. (2017).
    """
    made: AdversarialLoss = make(text, ADVERSARIAL_LOSSES, "adversarial loss")
    return made


def logistic_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The surprise at what is real and what is fake: −E log σ(s) − E log(1 − σ(f)), 2 log 2 where nothing can be told apart.

    Args:
        real: s, logits [N].
        fake: f, logits [M].

    Returns:
        [], in nats.

    Example:
        >>> round(logistic_discriminator_loss(torch.zeros(3), torch.zeros(3)).item(), 4)
        1.3863

    Source: Goodfellow et al. (2014), Generative adversarial nets.
    """
    return F.softplus(-_logits(real)).mean() + F.softplus(_logits(fake)).mean()


def minimax_generator_loss(fake: Tensor) -> Tensor:
    """What the generator can take from the discriminator's gain: E log(1 − σ(f)), below 0; flat where f is far below 0.

    Args:
        fake: f, logits [M].

    Returns:
        [], in nats.

    Example:
        >>> round(minimax_generator_loss(torch.zeros(3)).item(), 4)
        -0.6931

    Source: Goodfellow et al. (2014), Generative adversarial nets, equation 1.
    """
    return -F.softplus(_logits(fake)).mean()


def non_saturating_generator_loss(fake: Tensor) -> Tensor:
    """The surprise at fake pictures' being real: −E log σ(f), steepest where the discriminator is surest that they are not.

    Args:
        fake: f, logits [M].

    Returns:
        [], in nats.

    Example:
        >>> round(non_saturating_generator_loss(torch.zeros(3)).item(), 4)
        0.6931

    Source: Goodfellow et al. (2014), Generative adversarial nets, section 3.
    """
    return F.softplus(-_logits(fake)).mean()


def hinge_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """How far the scores are from 1 on the right side: E max(0, 1 − s) + E max(0, 1 + f).

    Args:
        real: s, scores [N].
        fake: f, scores [M].

    Returns:
        [], in units of the scores.

    Example:
        >>> hinge_discriminator_loss(torch.tensor([0.5, 3.0]), torch.tensor([-1.0])).item()
        0.25

    Source: Lim and Ye (2017), Geometric GAN.
    """
    return F.relu(1 - _logits(real)).mean() + F.relu(1 + _logits(fake)).mean()


def wasserstein_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """How much higher the critic scores fake pictures than real ones: E f − E s.

    Its negative is an estimate of the Wasserstein distance from below, in units of the critic's slope.

    Args:
        real: s, scores [N].
        fake: f, scores [M].

    Returns:
        [], in units of the scores.

    Example:
        >>> wasserstein_critic_loss(torch.tensor([2.0, 4.0]), torch.tensor([1.0])).item()
        -2.0

    Source: Arjovsky, Chintala and Bottou (2017), Wasserstein GAN.
    """
    return _logits(fake).mean() - _logits(real).mean()


def raised_score_loss(fake: Tensor) -> Tensor:
    """The generator's part of the hinge and of the Wasserstein game: −E f.

    Args:
        fake: f, scores [M].

    Returns:
        [], in units of the scores.

    Example:
        >>> raised_score_loss(torch.tensor([2.0, 4.0])).item()
        -3.0

    Source: Lim and Ye (2017), Geometric GAN; Arjovsky, Chintala and Bottou (2017), Wasserstein GAN.
    """
    return -_logits(fake).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, shares: Tensor) -> Tensor:
    """How far the critic's slope between real and fake pictures is from 1: E (‖∇ₓ D(x)‖₂ − 1)², x = u · real + (1 − u) · fake.

    The slope is differentiated again, so the critic's layers must have second derivatives, and each picture's score must be its
    own: batch norm, which lets pictures of a batch feel each other, is no part of such a critic.

    Args:
        critic: inputs [N, …] → scores [N].
        real: [N, …].
        fake: [N, …], without a gradient of its own here.
        shares: u, uniform draws in [0, 1), [N].

    Returns:
        [], 0 or more.

    Errors: `ArgumentError` for shapes that do not fit.

    Example:
        >>> slope = torch.tensor([3.0, 4.0])
        >>> rows = torch.randn(5, 2)
        >>> round(gradient_penalty(lambda x: x @ slope, rows, -rows, torch.rand(5)).item(), 4)  # (5 − 1)²
        16.0

    Source: Gulrajani et al. (2017), Improved training of Wasserstein GANs.
    """
    if real.shape != fake.shape or shares.shape != real.shape[:1] or real.ndim < 2:
        raise ArgumentError(
            "The critic's slope cannot be taken between these",
            expected="real and fake inputs of one shape [N, …], and shares [N]",
            got=f"{list(real.shape)}, {list(fake.shape)} and {list(shares.shape)}",
        )
    between = torch.lerp(fake.detach(), real.detach(), shares.reshape(-1, *[1] * (real.ndim - 1))).requires_grad_()
    scores = _logits(critic(between))
    # The sum lets each score meet the gradient of its own input alone.
    (slope,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
    lengths: Tensor = torch.linalg.vector_norm(slope, dim=tuple(range(1, slope.ndim)))
    return (lengths - 1).square().mean()


def _logits(values: Tensor) -> Tensor:
    if not values.numel():
        raise ArgumentError("There are no logits", expected="at least 1 picture", got=list(values.shape))
    return checks.single(values, "logits")


def _weight(penalty: float) -> float:
    if not 0 <= penalty < math.inf:
        raise ArgumentError("The weight of the gradient penalty is out of range", expected="a number, 0 or more", got=penalty)
    return penalty


def _minimax(*, penalty: float = 0.0) -> AdversarialLoss:
    return AdversarialLoss(logistic_discriminator_loss, minimax_generator_loss, _weight(penalty))


def _non_saturating(*, penalty: float = 0.0) -> AdversarialLoss:
    return AdversarialLoss(logistic_discriminator_loss, non_saturating_generator_loss, _weight(penalty))


def _hinge(*, penalty: float = 0.0) -> AdversarialLoss:
    return AdversarialLoss(hinge_discriminator_loss, raised_score_loss, _weight(penalty))


def _wasserstein(*, penalty: float = 10.0) -> AdversarialLoss:
    return AdversarialLoss(wasserstein_critic_loss, raised_score_loss, _weight(penalty))


ADVERSARIAL_LOSSES: dict[str, Callable[..., AdversarialLoss]] = {
    "minimax": _minimax,
    "non_saturating": _non_saturating,
    "hinge": _hinge,
    "wasserstein": _wasserstein,
}
