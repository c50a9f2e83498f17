"""What an autoencoder is trained for: the reconstruction, corrupted inputs and a sparse code, or the variational bound.

An objective has three parts. `draws` makes all the noise that a batch needs, row by row, from the number of the step alone;
the call is then a pure function of network, inputs and draws; `judge` says how good the network is on rows it does not learn.
B batch, D units of the code.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from leadline.layers.arguments import check_above_zero
from leadline.losses.sparsity import sparsity_kl, sparsity_l1
from leadline.models.autoencoders.corruption import corruption_of
from leadline.models.autoencoders.variational_bounds import VariationalBound
from leadline.models.step_noise import step_generator
from leadline.spelling import make


class Objective(Protocol):
    """What a step and an evaluation ask of an objective."""

    def draws(self, model: nn.Module, inputs: Tensor, step: int) -> tuple[Tensor, ...]:
        """All noise for this batch, each tensor with one entry for each row."""

    def __call__(
        self, model: nn.Module, inputs: Tensor, draws: tuple[Tensor, ...], fraction: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean over the rows that is to go down, and what is logged, detached."""

    def judge(self, model: nn.Module, inputs: Tensor, step: int) -> dict[str, Tensor]:
        """Of each row its "loss" and what that is made of: name → [B]."""


class Reconstruct:
    """Tell the inputs from their codes: L = mean over rows of −log p(x | f(x̃)) + sparsity of the codes.

    x̃ is x, or for a denoising autoencoder x corrupted anew at each step; the inputs to be told stay as they are.

    Args:
        corruption: as `corruption_of` reads it: "none", "masking(0.3)", "gaussian(0.5)", "salt_and_pepper(0.2)", "swap(0.15)".
        sparsity: "none", "kl(rho=0.05, weight=3)" for a code from 0 to 1, or "l1(weight=0.001)"; it is λ · Σ_j KL(ρ ‖ ρ̂_j), or
            λ · Σ_j |h_j|, beside a surprise that is summed over the values of a row.
        seed: of the corruption.

    Errors: `ArgumentError` for an unknown name or an argument out of range.

    Example:
        >>> from leadline.models.autoencoders.autoencoders import autoencoder
        >>> model = autoencoder((4,), hidden="none", code=3, code_activation="sigmoid")
        >>> objective = Reconstruct(corruption="masking(0.5)", sparsity="kl(rho=0.1)")
        >>> x = torch.ones(8, 4)
        >>> loss, logs = objective(model, x, objective.draws(model, x, step=0), 0.0)
        >>> sorted(logs), bool(loss > logs["loss"])
        (['loss', 'penalty_sparsity'], True)

    Source: Vincent et al. (2010), Stacked denoising autoencoders; Ng (2011), Sparse autoencoder, CS294A lecture notes.
    """

    def __init__(self, *, corruption: str = "none", sparsity: str = "none", seed: int = 0) -> None:
        self.corrupt, self.seed = corruption_of(corruption), seed
        self.penalty: Callable[[Tensor], Tensor] | None = None if sparsity == "none" else make(sparsity, SPARSITIES, "sparsity")

    def draws(self, model: nn.Module, inputs: Tensor, step: int) -> tuple[Tensor, ...]:
        if self.corrupt is None:
            return ()
        generator = step_generator(self.seed, step, inputs.device)
        return (self.corrupt(inputs, generator, numbers=getattr(model.distribution, "numbers", None)),)

    def __call__(
        self, model: Any, inputs: Tensor, draws: tuple[Tensor, ...], fraction: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        code = model.encode(draws[0] if draws else inputs)
        loss = model.distribution.nll(model.decode(code), inputs).mean()
        logs = {"loss": loss.detach()}
        if self.penalty is not None:
            term = self.penalty(code)
            logs["penalty_sparsity"] = term.detach()
            loss = loss + term
        return loss, logs

    def judge(self, model: Any, inputs: Tensor, step: int) -> dict[str, Tensor]:
        return {"loss": model.distribution.nll(model(inputs), inputs)}


def kl_penalty(rho: float = 0.05, weight: float = 3.0) -> Callable[[Tensor], Tensor]:
    """λ · Σ_j KL(ρ ‖ ρ̂_j) as a function of a code [B, D]: what the sparsity "kl" stands for.

    Args:
        rho: ρ, the share of rows for which a unit should be on.
        weight: λ, above 0.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> round(kl_penalty(rho=0.1, weight=2.0)(torch.full((4, 3), 0.5)).item(), 4)
        2.2084
    """
    check_above_zero("The sparsity kl", {"weight": weight})
    sparsity_kl(torch.full((1, 1), 0.5), rho=rho)  # it checks ρ itself
    return lambda code: weight * sparsity_kl(code, rho=rho)


def l1_penalty(weight: float = 1e-3) -> Callable[[Tensor], Tensor]:
    """λ · Σ_j |h_j|, mean over the rows, as a function of a code [B, D]: what the sparsity "l1" stands for.

    Args:
        weight: λ, above 0.

    Errors: `ArgumentError` for another weight.

    Example:
        >>> l1_penalty(0.5)(torch.tensor([[1.0, -2.0]])).item()
        1.5
    """
    check_above_zero("The sparsity l1", {"weight": weight})
    return lambda code: weight * sparsity_l1(code)


SPARSITIES: dict[str, Callable[..., Callable[[Tensor], Tensor]]] = {"kl": kl_penalty, "l1": l1_penalty}
OBJECTIVES: dict[str, Callable[..., Any]] = {"reconstruct": Reconstruct, "variational_bound": VariationalBound}


def objective_of(text: str, *, seed: int = 0) -> Any:
    """The objective that a text names, with the arguments it gives.

    Args:
        text: such as "reconstruct(corruption='masking(0.3)')" or "variational_bound(beta=4, warm_up=0.1)".
        seed: of its draws, where the text names none.

    Errors: `ArgumentError` for an unknown name, with the nearest right one, or arguments that do not fit.

    Example:
        >>> objective_of("variational_bound(beta=4)", seed=7).beta
        4
    """
    seeded = {name: functools.partial(made, seed=seed) for name, made in OBJECTIVES.items()}
    return make(text, seeded, "objective")
