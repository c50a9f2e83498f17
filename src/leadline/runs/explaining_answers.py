"""Which outputs of a network are explained, and on what scale: what pictures, texts and series have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.answers import Answers, Classes, Labels, Numbers
from leadline.errors import ArgumentError, unknown
from leadline.explain.occluding import log_odds
from leadline.runs.run import Run


@dataclass(frozen=True)
class Asked:
    """Which outputs to explain for an input: those that were named, or the likeliest few.

    Example:
        >>> asked = Asked.of(Classes(("rose", "tulip", "aster")), top=2)
        >>> asked.outputs(np.array([0.1, 0.7, 0.2]))
        [1, 2]
        >>> Asked.of(Classes(("rose", "tulip")), classes=["rose"]).outputs(np.array([0.1, 0.9]))
        [0]
    """

    answers: Answers
    chosen: tuple[int, ...] | None
    top: int

    @classmethod
    def of(cls, answers: Answers, *, classes: Sequence[str] | None = None, top: int = 1) -> Asked:
        """What a person asked for, checked.

        Args:
            answers: of the Run.
            classes: names of outputs, or None.
            top: how many of the likeliest otherwise.

        Errors: `ArgumentError` for an unknown class, with the nearest right one, or for none.
        """
        names = answers.names
        for name in classes or ():
            if name not in names:
                unknown("class" if answers.task == "classes" else "output", name, names)
        if top < 1:
            raise ArgumentError("There is nothing to explain", expected="at least 1 class", got=top)
        chosen = tuple(names.index(name) for name in classes) if classes else None
        return cls(answers, chosen, min(top, len(names)))

    def outputs(self, values: NDArray[Any]) -> list[int]:
        """Numbers of the outputs to explain.

        Args:
            values: what the network said of the input: probabilities or numbers, [K].
        """
        if self.chosen is not None:
            return list(self.chosen)
        if isinstance(self.answers, Numbers):
            return list(range(self.top))
        return [int(at) for at in np.argsort(-values, kind="stable")[: self.top]]


def score_of(answers: Answers) -> Callable[[Tensor], Tensor] | None:
    """On what scale occlusion compares: log odds of classes and labels, numbers in their own units.

    Args:
        answers: of the Run.
    """
    if isinstance(answers, Numbers):
        return answers.values
    return log_odds if isinstance(answers, Classes) and len(answers.names) > 1 else None


def judged_answers(run: Run) -> Answers:
    """The answers of a Run that has one answer for a whole text or series.

    Errors: `ArgumentError` for one that forecasts, writes, or answers at every step.
    """
    if run.schema.task == "sequence":
        raise answers_each_step(run)
    if not isinstance(answers := run.schema.answers, (Classes, Labels, Numbers)):
        raise ArgumentError(
            f"The network in {run.folder} has no one answer that could be traced to parts of its input",
            expected="a Run that answers with classes, labels or numbers",
            got=f"the task {run.schema.task!r}",
        )
    return answers


def answers_each_step(run: Run) -> ArgumentError:
    """What is said of a Run with an answer for each step where one answer was to be explained.

    Args:
        run: of the task sequence.
    """
    return ArgumentError(
        f"The network in {run.folder} answers each step of a row, and has no one answer that could be traced to its parts",
        do=f"See how sure it is of each step: leadline predict {run.folder} INPUT. Which steps of test rows it had wrong, and "
        f"what it took them for, stands in {run.folder / 'report.html'}.",
    )


def as_odds(worth: float, *, numbers: bool) -> str:
    """What a part of an input is worth, in words: by what factor it raises the odds, or how much a number.

    Args:
        worth: log odds, or a number.
        numbers: whether the answer is one.

    Example:
        >>> as_odds(2.0, numbers=False), as_odds(-1.0, numbers=False), as_odds(20.0, numbers=False), as_odds(-0.5, numbers=True)
        ('×7.4', '÷2.7', '×1,000+', '−0.5')
    """
    if numbers:
        return f"{worth:+.3g}".replace("-", "−")
    if abs(worth) > math.log(1000):
        return "×1,000+" if worth > 0 else "÷1,000+"
    factor = math.exp(abs(worth))
    shown = f"{factor:.2f}" if factor < 2 else f"{factor:.1f}" if factor < 10 else f"{factor:.0f}"
    return f"{'×' if worth > 0 else '÷'}{shown}"
