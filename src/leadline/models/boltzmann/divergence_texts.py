"""Contrastive divergence as a Plan spells it: where chains begin, how long they are, and whether grey values are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from leadline.layers.arguments import check_whole
from leadline.spelling import make


class Divergence(NamedTuple):
    """What `ContrastiveDivergence` takes of it; `binarize` says that inputs are probabilities of units that are drawn anew.

    Example:
        >>> divergence_of("persistent_divergence(particles=20)")
        Divergence(steps=1, particles=20, binarize=False)
    """

    steps: int = 1
    particles: int = 0
    binarize: bool = False


def contrastive_divergence(steps: int = 1, *, binarize: bool = False) -> Divergence:
    """Chains that begin at each batch: CD-k.

    Args:
        steps: k, at least 1.
        binarize: inputs from 0 to 1 are drawn to be on or off each time a row is seen.

    Errors: `ArgumentError` for fewer steps.

    Example:
        >>> contrastive_divergence(steps=5).steps
        5
    """
    check_whole("Contrastive divergence", {"steps": steps})
    return Divergence(steps, 0, binarize)


def persistent_divergence(particles: int = 100, *, steps: int = 1, binarize: bool = False) -> Divergence:
    """Chains that never begin anew: persistent CD, for better densities; the learning rate must fall towards 0.

    Args:
        particles: chains, at least 1.
        steps: of each for each batch, at least 1.
        binarize: as in `contrastive_divergence`.

    Errors: `ArgumentError` for fewer of either.

    Example:
        >>> persistent_divergence().particles
        100
    """
    check_whole("Persistent contrastive divergence", {"particles": particles, "steps": steps})
    return Divergence(steps, particles, binarize)


DIVERGENCES: dict[str, Callable[..., Divergence]] = {
    "contrastive_divergence": contrastive_divergence,
    "persistent_divergence": persistent_divergence,
}


def divergence_of(text: str) -> Divergence:
    """What a text asks for.

    Args:
        text: such as "contrastive_divergence(steps=5)" or "persistent_divergence".

    Errors: `ArgumentError` for an unknown name, with the nearest right one, or arguments that do not fit.

    Example:
        >>> divergence_of("contrastive_divergence(10)").steps
        10
    """
    made: Divergence = make(text, DIVERGENCES, "divergence")
    return made
