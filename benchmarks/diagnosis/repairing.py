"""Changes of a program made in copies of it, one after another, each trained in full and kept where held-out rows say so."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from judging import answers, shown
from mending_ways import Way
from programs import outputs_of
from recipe import Recipe

from leadline.diagnose import mending
from leadline.diagnose.rules.judging import WORTH, candidates_of
from leadline.diagnose.rules.outcomes import behind, outcome_of
from leadline.diagnose.rules.second_faults import changes_beside
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.branching import branches
from leadline.diagnose.trials.changes import TOGETHER, change_copy, parts_of
from leadline.diagnose.trials.copied_training import copy_of
from leadline.diagnose.trials.gains import best_of, is_sure
from leadline.diagnose.trials.habits import habits_of
from leadline.diagnose.trials.scoring import WORST

TRAININGS = 3  # anew, at most
SECOND_LOOK = "second look"
"""In place of a kind, of what gained when a mended copy was looked at again."""


def copied(recipe: Recipe, probe: Any, start: str) -> Any:
    """A copy of the program with all its rows, as the probe saw it being trained; judged on held-out, then on test rows.

    Both kinds are there before anything is changed, so that what is done to inputs is done to all of them.
    """
    subject = probe.subject()
    subject.task, subject.classes = probe.readings.program.task, probe.readings.program.classes
    subject.train, subject.valid = Rows(*recipe.arrays.train), Rows(*recipe.arrays.valid)
    both = Rows(*(torch.cat(parts) for parts in zip(recipe.arrays.valid, recipe.arrays.test, strict=True)))
    habits = habits_of(subject, probe.readings)
    return copy_of(subject, habits, (subject.train, both), start=start, readings=probe.readings)


def judged(copy: Any, recipe: Recipe) -> tuple[np.ndarray[Any, Any], float]:
    """Errors of the held-out rows, one by one, and the score on the test rows in the recipe's metric."""
    copy.judging = None  # weights of the rows, where a change had given them some: whoever compares weighs both sides
    if recipe.arrays.task == "reconstruct":
        errors = squares_of(copy)
    else:
        errors = np.nan_to_num(copy.judge().errors.double().numpy(), nan=1.0, posinf=1.0)
    targets = recipe.arrays.test[1].numpy()
    held, test = errors[: -len(targets)], errors[-len(targets) :]
    if recipe.metric != "balanced":
        return held, float(1 - test.mean())
    return held, float(1 - np.mean([test[targets == each].mean() for each in np.unique(targets)]))


def squares_of(copy: Any) -> np.ndarray[Any, Any]:
    """Of what is rebuilt: the squared error of each row over the variance, bounded as that of a number is."""
    copy.set_training(False)
    with torch.no_grad():
        given = copy.outputs_of(copy.answer(copy.held.inputs)).double()
    wanted = copy.held.targets.double()
    errors = (given - wanted).square().mean(1) / wanted.var(0, correction=0).mean()
    return np.asarray(errors.nan_to_num(WORST).clamp(max=WORST).numpy())


def errors_as_judged(model: torch.nn.Module, old: Any, recipe: Recipe) -> np.ndarray[Any, Any]:
    """Errors of the held-out rows as the program itself reads its answers, which may be part of what is wrong with it."""
    inputs, targets = recipe.arrays.valid
    if recipe.metric == "r2":
        return judged(old, recipe)[0]
    said = answers(outputs_of(copy.deepcopy(model).train(recipe.mode == "train"), recipe.arrays.valid), recipe, recipe.arrays)
    wrong = (said.reshape(targets.shape) != targets).double()
    return wrong.reshape(len(inputs), -1).mean(1).numpy()


def row_weights(verdict: Any, recipe: Recipe) -> np.ndarray[Any, Any]:
    """Of the held-out rows: each class counts as much as any other where rare classes were ignored, as in `--mend`."""

    targets = recipe.arrays.valid[1]
    classes = targets.reshape(len(targets), -1)[:, 0].long()
    weights = mending.row_weights(verdict, classes) if recipe.arrays.task in ("classes", "binary") else None
    return np.ones(len(targets)) if weights is None else weights.double().numpy()


def sure_gain(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> bool:
    """Fewer errors by more than two standard errors; row by row, unless some rows were left out as unfit."""

    if len(before) == len(after):
        gain = before - after
        return bool(is_sure(gain.mean(), gain.std() / np.sqrt(len(gain))))
    spread = np.sqrt(before.var() / len(before) + after.var() / max(len(after), 1))
    return bool(len(after) and is_sure(before.mean() - after.mean(), spread))


@dataclass
class Repairing:
    """What was tried so far: the changes that stay, the best errors of the held-out rows, and each training with its score.

    `done` are the kinds against which something stays changed, `pending` the ways that gained nothing alone.
    """

    recipe: Recipe
    probe: Any
    steps: int
    seed: int
    confirm: float
    weights: np.ndarray[Any, Any]
    best: np.ndarray[Any, Any]
    stays: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    pending: list[Way] = field(default_factory=list)
    looked: set[Any] = field(default_factory=set)
    trained: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def run(self, ways: Sequence[Way]) -> None:
        """Go through the ways that are confirmed, or, where nothing stays changed, through those that are only suspected.

        If two of these gained nothing, the last training has both. While the network is worse than simple methods it is looked
        at again.
        """
        for way in ways:
            if way.confirmed and len(self.trained) < TRAININGS:
                self._attempt(way)
        for way in ways:
            if not way.confirmed and not self.stays and len(self.trained) < TRAININGS - (len(self.pending) > 1):
                self._attempt(way)
        if not self.stays and len(self.pending) > 1 and len(self.trained) < TRAININGS:
            self._train(self.pending[0], [way.text for way in self.pending[:2]])
        while self.stays and len(self.trained) < TRAININGS and not self._enough():
            if (another := self._look_again()) is None:
                break
            self._attempt(another)

    def _look_again(self) -> Way | None:
        """What gains most beside the changes that stay, in trials for as long again; None where nothing does."""
        subject, readings = self.probe.subject(), self.probe.readings
        subject.task, subject.classes = readings.program.task, readings.program.classes
        made = [name for text in self.stays for name, _ in parts_of(text)]
        suspects = [each for each in candidates_of(readings, outcome_of(readings)) if each.strength >= WORTH]
        wanted = [each for each in changes_beside(made, suspects, whole=True) if each not in self.looked]
        tried = branches(subject, wanted, seconds=self.confirm, readings=readings, beside=TOGETHER.join(self.stays))
        best = best_of(tried)
        if best is None:
            return None
        self.looked.add((best.change, best.argument))
        return Way(SECOND_LOOK, best.change, best.argument, confirmed=True)

    def _enough(self) -> bool:
        """Whether something is better, and now no worse than what simple methods reach."""
        if not any(each["kept"] for each in self.trained):
            return False
        outcome = outcome_of(self.probe.readings)
        if outcome.best is None:
            return True
        spread = math.hypot(
            self.best.std() / len(self.best) ** 0.5, self.probe.readings.beside.valid_se.get(outcome.best_name, 0)
        )
        return not behind(float(self.best.mean()), outcome.best, spread, outcome.constant)

    def _attempt(self, way: Way) -> None:
        """Train with a change beside those that stay: those that were better, and those that are certain."""
        if way.kind in self.done or (way.kind == "non_finite" and any(each["kept"] for each in self.trained)):
            return  # what is kept has numbers to be compared
        if told := self._refusal(way.text):
            self.refused[way.text] = told
        elif self._train(way, [*self.stays, way.text]) or (way.certain and not self.trained[-1]["worse"]):
            self.stays.append(way.text)
            self.done |= {way.kind} - {SECOND_LOOK}
        else:
            self.pending.append(way)

    def _refusal(self, text: str) -> str:
        if {name for name, _ in parts_of(text)} & {name for made in self.stays for name, _ in parts_of(made)}:
            return "it was changed already"
        try:
            return str(change_copy(copied(self.recipe, self.probe, "initial"), text))
        except (RuntimeError, ValueError, IndexError) as error:
            return f"{type(error).__name__}: {error}"[:200]

    def _train(self, way: Way, texts: list[str]) -> bool:
        """Train a copy with these changes to its end; whether it is surely better than the best so far."""
        began, text = time.perf_counter(), TOGETHER.join(texts)
        new = copied(self.recipe, self.probe, "initial")
        torch.manual_seed(self.seed)
        try:
            change_copy(new, text)
            new.run(self.steps)
            errors, score = judged(new, self.recipe)
            kept, worse = self._better(self.best, errors), self._better(errors, self.best)
        except (RuntimeError, ValueError, IndexError) as error:  # what a copy cannot be trained with helps nobody
            self.refused[text] = f"{type(error).__name__}: {error}"[:200]
            errors, score, kept, worse = self.best, math.nan, False, True
        self.trained.append({"changes": text, "kind": way.kind, "confirmed": way.confirmed, "kept": kept, "worse": worse,
                             "score": shown(score), "seconds": shown(time.perf_counter() - began)})  # fmt: skip
        if kept:
            self.best = errors
        return kept

    def _better(self, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> bool:
        if len(before) == len(after) == len(self.weights):
            return sure_gain(before * self.weights, after * self.weights)
        return sure_gain(before, after)
