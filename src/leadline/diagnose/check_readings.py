"""Readings of single checks: weights that nobody holds, class numbers as amounts, pairs and their distances."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Hidden:
    """Weights that outputs are made with, and that neither the network nor an optimizer holds."""

    names: list[str] = field(default_factory=list)  # where they lie in plain attributes of the network
    container: str = ""  # in what: list, tuple, dict; empty for a bare tensor
    attribute: str = ""  # of the module whose it is
    holder: str = ""  # what would make them known: nn.ModuleList, nn.ParameterDict …
    share: float = 0.0  # of all weights
    as_drawn: bool = False  # some are spread as torch draws them: they have learned nothing, anywhere
    elsewhere: int = 0  # tensors outside of the network, of no optimizer either
    made_anew: int = 0  # weights that are other tensors in each pass, so that the same rows get other answers


@dataclass
class ClassNumbers:
    """Targets of a fit of numbers, where they may be numbers of classes."""

    kinds: int = 0  # of whole numbers; 0 where it was not looked at
    order: float = 1.0  # share of random numberings of the classes that put likes at least as near to each other
    neighbours: float = 0.0  # share of rows whose nearest say the right class
    network: float = 0.0  # share of rows for which the rounded answer is right
    se: float = 0.0  # of the difference


@dataclass
class Pairs:
    """A network that says how far two inputs of one kind lie apart, and a loss on that."""

    closeness: str = ""  # distance, likeness; empty where it says something else
    raw: float = 0.5  # how often, of two pairs, that with the larger target has the nearer inputs
    raw_se: float = 0.0
    learned: float = 0.5  # how often it is nearer to the network
    pull: float = 0.0  # beyond 0 the loss draws pairs with the larger target together, below it the others


@dataclass
class Activations:
    """What flows into the activations, before the first step and after the last: how often each value came, by layer."""

    edges: list[float] = field(default_factory=list)  # of the bins, the same for all; what lies beyond is in the outer ones
    first: dict[str, list[int]] = field(default_factory=dict)
    last: dict[str, list[int]] = field(default_factory=dict)
    follows: dict[str, str] = field(default_factory=dict)  # layer → the activation that it feeds, where it feeds one
