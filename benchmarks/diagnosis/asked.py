"""Questions that people asked about networks that did not learn, as programs: where they register."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from leadline.diagnose import Probe

Watch = Callable[..., Probe]
Program = Callable[[bool, Watch], tuple[Probe, float]]


@dataclass(frozen=True)
class Question:
    """A program with a known fault.

    Args:
        program: (mended, watch) → the probe and a score on clean test rows, 1 the best there is (accuracy, R², area …).
        asked: the address of the question.
        kinds: any of these names the fault.
    """

    program: Program
    asked: str
    kinds: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.program.__name__.replace("_", " ")


QUESTIONS: list[Question] = []


def question(asked: str, *kinds: str) -> Callable[[Program], Program]:
    """Registers a program under the address of its question and the kinds that name its fault."""

    def registered(program: Program) -> Program:
        QUESTIONS.append(Question(program, asked, kinds))
        return program

    return registered
