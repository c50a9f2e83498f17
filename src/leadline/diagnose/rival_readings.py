"""Readings of a generator that learns from a rival."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Round:
    """A generator and its rival at one step."""

    step: int
    right: float | None  # share of real and drawn rows that the rival tells apart, at the best threshold
    spread: float  # distance of two drawn rows over that of two real ones
    far: float  # energy distance of drawn from real rows, over the distance of two real ones
    gradient: float | None = None  # ‖g‖ of the generator
    towards: bool | None = None  # whether its loss moves the rival's score of drawn rows to where the rival moves real ones


@dataclass
class Game:
    """A generator that learns from a rival, step by step."""

    watched: bool = False
    rounds: list[Round] = field(default_factory=list)
    rival_moved: bool = True  # whether the rival has learned anything
