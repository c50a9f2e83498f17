"""One network of a population: what may differ between them, and what may not."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.training.population.masks import DROPOUTS


class Candidate(NamedTuple):
    """One network of a population, and how it is trained.

    Args:
        model: with its first weights; not changed by the training (`Population.write` gives what was learnt).
        learning_rate: above 0; the schedule multiplies it.
        momentum: of sgd, nesterov and rmsprop; β₁ of adam and adamw; in [0, 1).
        weight_decay: decoupled for adamw, added to the gradient otherwise; 0 or more.
        random: the state of the generator from which its dropout is drawn on the CPU; `torch.get_rng_state()` right after the
            model was built gives the very masks of a training alone. None: a generator seeded with the network's number.

    Errors: `ArgumentError` from the population for a value out of range, with the number of the network.

    Example:
        >>> Candidate(nn.Linear(2, 1), learning_rate=0.1).weight_decay
        0.0
    """

    model: nn.Module
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    random: Tensor | None = None


def check_candidates(candidates: list[Candidate]) -> None:
    """Raise for what cannot be stacked: no network, values out of range, or networks that differ in shape.

    Errors: `ArgumentError` that names the network, and the tensor where shapes differ.

    Example:
        >>> check_candidates([Candidate(nn.Linear(2, 1)), Candidate(nn.Linear(3, 1))])
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Network 1 differs from network 0 in 'weight'. Expected float32 [1, 2]; got float32
        [1, 3]. Give all networks the same layers; only rates, seeds and dropout may differ.
    """
    if not candidates:
        raise ArgumentError("The population is empty", expected="at least 1 network")
    first = _shapes(candidates[0].model)
    for number, candidate in enumerate(candidates):
        if not candidate.learning_rate > 0 or not 0 <= candidate.momentum < 1 or not candidate.weight_decay >= 0:
            raise ArgumentError(
                f"Network {number} cannot be trained",
                expected="learning_rate > 0, momentum in [0, 1), weight_decay ≥ 0",
                got=candidate[1:4],
            )
        own = _shapes(candidate.model)
        for name in first | own:
            if first.get(name) != own.get(name):
                raise ArgumentError(
                    f"Network {number} differs from network 0 in {name!r}",
                    expected=first.get(name, "no such tensor"),
                    got=own.get(name, "no such tensor"),
                    do="Give all networks the same layers; only rates, seeds and dropout may differ.",
                )


def _shapes(model: nn.Module) -> dict[str, str]:
    """Every tensor with its shape, then every layer with its settings."""
    frozen = {name for name, parameter in model.named_parameters(remove_duplicate=False) if not parameter.requires_grad}
    shapes = {
        name: f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}" + (", frozen" if name in frozen else "")
        for name, tensor in model.state_dict().items()
    }
    layers = {
        f"the layer {name}": type(layer).__name__ + ("" if type(layer) in DROPOUTS else f"({layer.extra_repr()})")
        for name, layer in model.named_modules()
    }
    return shapes | layers
