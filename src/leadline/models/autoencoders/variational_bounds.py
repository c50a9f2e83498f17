"""The variational bound as an objective: what it makes of a network, a batch and draws of the codes.

B batch, D units of the code, K draws of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_above_zero, check_whole
from leadline.losses.normal_codes import gaussian_kl_of_each, importance_bound, normal_log_density
from leadline.losses.reconstruction import check_shares
from leadline.models.autoencoders.output_distributions import repeated
from leadline.models.step_noise import step_generator


class VariationalBound:
    """Raise the variational bound on log p(x): L = mean over rows of E_q[−log p(x | z)] + β KL(q(z | x) ‖ p(z)).

    z = μ(x) + σ(x) ε, ε ~ N(0, I), K draws for each row; the divergence is in closed form. With `importance` the loss is
    −log 1/K Σₖ p(x, zₖ) / q(zₖ | x) instead, which is nearer to −log p(x). `loss` is always logged for β = 1, so that epochs
    of a warm-up can be compared: it is −bound, in nats, of which `kl` is a part.

    Args:
        beta: β; above 1 the units of the code become more independent and tell less, below 1 reconstructions become sharper.
        warm_up: the share of the training in which β rises from 0 in a straight line, in [0, 1].
        samples: K.
        importance: the importance-weighted bound of the K draws; β must then be 1.
        free_bits: each unit's divergence, mean over the batch, costs nothing below this, in nats.
        binarize: inputs are probabilities: each is drawn to be 0 or 1, anew at each step, and once for all where it is judged.
        seed: of all draws.

    Errors: `ArgumentError` for an argument out of range, or a network whose codes have no distribution.

    Example:
        >>> from leadline.models.autoencoders.variational_autoencoders import variational_autoencoder
        >>> model, objective = variational_autoencoder((4,), hidden="8", code=2), VariationalBound(samples=3)
        >>> x = torch.rand(5, 4)
        >>> loss, logs = objective(model, x, objective.draws(model, x, step=0), 1.0)
        >>> sorted(logs), bool((loss - logs["loss"]).abs() < 1e-5)
        (['beta', 'kl', 'loss'], True)

    Source: Kingma and Welling (2014), Auto-encoding variational Bayes; β: Higgins et al. (2017), beta-VAE; its warm-up:
    Sønderby et al. (2016), Ladder variational autoencoders; free bits: Kingma et al. (2016), Improving variational inference
    with inverse autoregressive flow; importance: Burda, Grosse and Salakhutdinov (2016), Importance weighted autoencoders.
    """

    def __init__(
        self,
        *,
        beta: float = 1.0,
        warm_up: float = 0.0,
        samples: int = 1,
        importance: bool = False,
        free_bits: float = 0.0,
        binarize: bool = False,
        seed: int = 0,
    ) -> None:
        check_above_zero("The variational bound", {"beta": beta})
        check_whole("The variational bound", {"samples": samples})
        if not 0 <= warm_up <= 1 or free_bits < 0:
            raise ArgumentError(
                "The variational bound cannot be built",
                expected="warm_up in [0, 1] and free_bits of 0 or more",
                got=(warm_up, free_bits),
            )
        if importance and (beta != 1 or free_bits or warm_up):
            raise ArgumentError(
                "The importance-weighted bound has no divergence to weigh",
                expected="beta = 1, warm_up = 0 and free_bits = 0 with importance",
                got=(beta, warm_up, free_bits),
            )
        self.beta, self.warm_up, self.samples, self.importance = beta, warm_up, samples, importance
        self.free_bits, self.binarize, self.seed = free_bits, binarize, seed

    def draws(self, model: nn.Module, inputs: Tensor, step: int) -> tuple[Tensor, ...]:
        if not hasattr(model, "posterior"):
            raise ArgumentError(
                "The codes of this network have no distribution",
                expected="a variational autoencoder",
                got=type(model).__name__,
                do="Take the objective Reconstruct for others.",
            )
        generator = step_generator(self.seed, step, inputs.device)
        shape = (len(inputs), self.samples, model.code)
        noise = torch.randn(shape, generator=generator, device=inputs.device)  # type: ignore[arg-type]
        return (noise, binarized(inputs, generator)) if self.binarize else (noise,)

    def __call__(
        self, model: Any, inputs: Tensor, draws: tuple[Tensor, ...], fraction: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        x = draws[1] if self.binarize else inputs
        mean, log_variance, codes, surprise = told_by_codes(model, x, draws[0])
        kl = gaussian_kl_of_each(mean, log_variance)  # B, D
        divergence, beta = kl.sum(dim=1).mean(), self.beta_at(fraction)
        if self.importance:
            loss = -importance_bound(log_weights(mean, log_variance, codes, surprise)).mean()
            logged = loss.detach()
        else:
            told = surprise.mean()
            costs = kl.mean(dim=0).clamp(min=self.free_bits).sum() if self.free_bits else divergence
            loss, logged = told + beta * costs, (told + divergence).detach()
        return loss, {"loss": logged, "kl": divergence.detach(), "beta": torch.full_like(logged, beta)}

    def beta_at(self, fraction: float) -> float:
        """β where this share of the training is done."""
        return self.beta * min(1.0, fraction / self.warm_up) if self.warm_up else self.beta

    def judge(self, model: Any, inputs: Tensor, step: int) -> dict[str, Tensor]:
        draws = self.draws(model, inputs, step)
        mean, log_variance, codes, surprise = told_by_codes(model, draws[1] if self.binarize else inputs, draws[0])
        kl = gaussian_kl_of_each(mean, log_variance).sum(dim=1)
        if self.importance:
            return {"loss": -importance_bound(log_weights(mean, log_variance, codes, surprise)), "kl": kl}
        return {"loss": surprise.mean(dim=1) + kl, "kl": kl}


def binarized(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each value drawn to be 1 with its own probability, else 0: grey pictures as pictures of black and white.

    Shapes: [...] → [...].

    Args:
        x: from 0 to 1.
        generator: of x's device.

    Errors: `ArgumentError` for values outside [0, 1] (on the CPU).

    Example:
        >>> binarized(torch.tensor([0.0, 1.0]), torch.Generator()).tolist()
        [0.0, 1.0]

    Source: Salakhutdinov and Murray (2008), On the quantitative analysis of deep belief networks.
    """
    check_shares(x)
    return (torch.rand(x.shape, generator=generator, device=x.device) < x).to(x.dtype)


def log_weights(mean: Tensor, log_variance: Tensor, codes: Tensor, surprise: Tensor) -> Tensor:
    """log w = log p(x | z) + log p(z) − log q(z | x) of K draws of the code.

    Shapes: mean and log variance [B, D], codes [B, K, D], surprise −log p(x | z) [B, K] → [B, K].

    Args:
        mean: of q.
        log_variance: of q.
        codes: z.
        surprise: of the inputs, given each.

    Example:
        >>> zero = torch.zeros(1, 2)
        >>> log_weights(zero, zero, torch.randn(1, 3, 2), torch.full((1, 3), 90.0)).tolist()
        [[-90.0, -90.0, -90.0]]
    """
    prior = normal_log_density(codes, 0.0, 0.0)
    return prior - normal_log_density(codes, mean[:, None], log_variance[:, None]) - surprise


def told_by_codes(model: Any, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes drawn by given noise, z = μ(x) + σ(x) ε, and how surprising the inputs are to each.

    Shapes: inputs [B, …] and noise ε [B, K, D] → μ and log σ² [B, D], z [B, K, D], −log p(x | z) [B, K].

    Args:
        model: a variational autoencoder.
        x: inputs.
        noise: ε, standard normal.

    Example:
        >>> from leadline.models.autoencoders.variational_autoencoders import variational_autoencoder
        >>> model = variational_autoencoder((4,), hidden="8", code=2)
        >>> [part.shape[1:] for part in told_by_codes(model, torch.rand(5, 4), torch.zeros(5, 3, 2))]
        [torch.Size([2]), torch.Size([2]), torch.Size([3, 2]), torch.Size([3])]
    """
    mean, log_variance = (part.float() if part.dtype == torch.bfloat16 else part for part in model.posterior(x))
    codes = mean[:, None] + torch.exp(0.5 * log_variance)[:, None] * noise.to(mean.dtype)
    outputs = model.decode(codes.flatten(0, 1))
    return mean, log_variance, codes, model.distribution.nll(outputs, repeated(x, noise.shape[1])).view(noise.shape[:2])
