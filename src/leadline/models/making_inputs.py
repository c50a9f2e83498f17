"""Networks that make inputs up by themselves: what they must offer, and how they are asked.

A network says that it can by a method `generate`. One that can be told a class has `classes`, their number, and takes class
numbers; one whose inputs come out of a chain takes `steps`.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_whole
from leadline.models.step_parts import in_evaluation


@runtime_checkable
class Generates(Protocol):
    """A network that makes inputs up: an adversarial pair, a variational autoencoder, a Boltzmann machine, a deep belief net.

    Example:
        >>> from leadline.models import autoencoder, rbm
        >>> isinstance(rbm((4,), hidden=3), Generates), isinstance(autoencoder((4,)), Generates)
        (True, False)
    """

    def generate(self, number: int, *, seed: int = 0) -> Tensor:
        """Inputs as the network itself takes or draws them, [number, …], the same for the same seed."""


def made_inputs(
    network: nn.Module, number: int, *, seed: int = 0, classes: Sequence[int] | None = None, steps: int | None = None
) -> Tensor:
    """Inputs that a network makes up, in evaluation mode, float32 on the CPU; the network is afterwards as it was.

    Shapes: → [number, *shape], in the units in which the network sees inputs.

    Args:
        network: with a method `generate`.
        number: at least 1.
        seed: the same one gives the same inputs; of a Boltzmann machine on the same kind of device.
        classes: a class number for each; a network that knows classes goes round through them when left out.
        steps: of the chains of a Boltzmann machine; its own choice when left out.

    Errors: `ArgumentError` for a network that makes nothing up, or one that is asked for what it does not know.

    Example:
        >>> from leadline.models import rbm, variational_autoencoder
        >>> made_inputs(variational_autoencoder((1, 8, 8), hidden="16", code=2), 3).shape
        torch.Size([3, 1, 8, 8])
        >>> made_inputs(rbm((4,), hidden=3), 2, steps=10).shape
        torch.Size([2, 4])
    """
    if not isinstance(network, Generates):
        raise ArgumentError(
            f"A network of the kind {type(network).__name__} makes nothing up",
            expected="an adversarial network, a variational autoencoder, a Boltzmann machine or a deep belief net",
        )
    check_whole("What is made up", {"number": number})
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ArgumentError("The seed is out of range", expected="a whole number, 0 or more", got=seed)
    given: dict[str, Any] = {}
    if classes is not None:
        if not getattr(network, "classes", 0):
            raise ArgumentError(
                "The network knows no classes", do="Leave the class out; those of the task generate know the ones of pictures."
            )
        given["classes"] = classes
    if steps is not None:
        if "steps" not in inspect.signature(network.generate).parameters:
            raise ArgumentError(
                "Only Boltzmann machines draw by chains of steps", got=type(network).__name__, do="Leave it out."
            )
        given["steps"] = steps
    with torch.no_grad(), in_evaluation(network):
        return network.generate(number, seed=seed, **given).float().cpu()
