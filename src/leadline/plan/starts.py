"""The section of a Plan about the beginning: which weights, what becomes of them, and how many networks start."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leadline.errors import ArgumentError, PlanError, unknown
from leadline.plan import changes as changing
from leadline.plan.first_weights import check_first_weights
from leadline.plan.pretraining_texts import check_pretraining_text
from leadline.plan.stacked_convolutions import check_ways
from leadline.transfer.deciding import STRATEGIES

TRANSFERS = ("auto", *STRATEGIES, "whole")


@dataclass(frozen=True)
class StartPlan:
    """What the weights start from, and how many networks start.

    `weights` are those of a Run, of a file, or published ones by name. `transfer` says what becomes of them: one of
    `transfer.STRATEGIES`, "whole" (the same network goes on, its last layer too), or auto, which measures. `layer` is where
    the network is cut, and `grid` the cells that its maps are averaged over, 0 where that is left open. `known` describes the
    networks that the weights are of, each made from the one before; Leadline writes it, so that a Run opens without them.

    `vectors` is a Run of the task words, or a file of word vectors, from which the first layer of a network for texts or trees
    begins; of trees its words are known as well.

    `pretrain` lets layer after layer of a network learn the inputs before anything else: "rbm", "autoencoder", or, of a
    language model by word, "word2vec" for its vectors; each with arguments where they are wanted, such as
    "autoencoder(epochs=20, corruption='masking(0.25)')".

    `initialize` draws the weights by one of `initialize.INITIALIZERS` in place of the layers' own way. `restarts` networks
    differ in their seeds; `search` gives lists of values for some choices, and every combination of them starts so many
    networks. The best by validation is kept, or, with `ensemble`, the mean answer of all. `together` is auto (measured),
    stacked (all in one program) or one by one; `convolutions` is how those of one program are computed: auto (measured),
    grouped, unfolded, looped, or one of these for each, separated by commas.

    Example:
        >>> from leadline.plan.record import Plan
        >>> plan = Plan().but({"start.restarts": 4, "training.learning_rate": [0.001, 0.01]})
        >>> plan.start.networks, plan.training.learning_rate
        (8, 0.001)
    """

    weights: str = ""
    vectors: str = ""
    transfer: str = "auto"
    layer: str = ""
    grid: int = 0
    known: Sequence[Mapping[str, Any]] = field(default_factory=list)
    initialize: str = ""
    pretrain: str = ""
    restarts: int = 1
    ensemble: bool = False
    together: str = "auto"
    convolutions: str = "auto"
    search: Mapping[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.restarts < 1:
            raise PlanError("start.restarts is out of range", expected="at least 1", got=self.restarts)
        if self.transfer not in TRANSFERS:
            unknown("start.transfer", self.transfer, TRANSFERS, PlanError)
        if self.grid < 0:
            raise PlanError("start.grid is out of range", expected="at least 1, or 0 where it is left open", got=self.grid)
        if self.together not in ("auto", "stacked", "one by one"):
            unknown("start.together", self.together, ("auto", "stacked", "one by one"), PlanError)
        check_ways(self.convolutions)
        if self.pretrain:
            check_pretraining_text(self.pretrain)
        if self.initialize:
            try:
                check_first_weights(self.initialize)
            except ArgumentError as error:
                raise PlanError(str(error)) from error
        for key, values in self.search.items():
            if key not in changing.SEARCHED:
                unknown("key to search over", key, changing.SEARCHED, PlanError)
            if not values:
                raise PlanError(f"The list of values for {key} is empty", expected="at least one value")

    @property
    def networks(self) -> int:
        """How many networks are trained."""
        return self.restarts * math.prod(len(values) for values in self.search.values())

    @property
    def transfers(self) -> bool:
        """Whether the network is made of one that others' weights are of, with a new head."""
        return bool(self.known) and self.transfer in ("head", "early head", "fine-tune")

    @property
    def solves(self) -> bool:
        """Whether nothing is trained but a head on fixed features, which is solved."""
        return self.transfer in ("head", "early head")
