"""Which trials are trained in one program, and when that is faster than one after another."""

from __future__ import annotations

import time
from collections.abc import Iterable

from leadline.diagnose.trials.copied_training import CopiedTraining
from leadline.diagnose.trials.stacked_copies import StackedCopies
from leadline.diagnose.trials.tapes import likeness
from leadline.diagnose.trials.twins import LEAST_STEPS, LIKELY_SEEDS, Trials, Wanted
from leadline.training.recorded.tracing import said_by

# In one program three seeds of each change and of the twin are trained, where one after another most need one seed. Measured on
# one thread of a CPU, 12 copies in one program take as long as 3 to 4 steps of a tape where a step has up to 2 million products
# and sums, 5 at 4 million, 9 at 15 million; 18 copies take 4 to 6, 7 and 15. To make the program takes 0.15 s.
_MOST_OPERATIONS = 5e6  # of a step of one copy
_LEAST_ALIKE = 4  # changes, the twin among them
_LEAST_STEPS = 4000  # of all copies
_PLANNED = 0.9  # of the time that is left


class Together:
    """Trains the copies of those changes that are alike, and their twins, in one program; `Trials.run` finds them done.

    What it finds is what it would have found by itself, apart from rounding: the same seeds, rows and masks of dropout. Where a
    network is too large for it to be faster, or cannot be traced, nothing is done, and `why` says so.

    Args:
        trials: whose copies they are.
        wanted: the changes.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> trials = Trials(a_subject(rate=1e-5, steps=400, batch=16))
        >>> together = Together(trials, [("rate", 1000.0), ("rate", 0.1), ("clip", 1.0), ("head", "auto")])
        >>> [change for change, _ in together.found]
        ['rate', 'rate', 'clip']
        >>> together.run()
        >>> branch = trials.run("rate", 1000.0)
        >>> len(trials.done["rate", 1000.0]), branch.gain > 2 * branch.gain_se
        (3, True)
    """

    def __init__(self, trials: Trials, wanted: Iterable[Wanted]) -> None:
        self.trials, self.why = trials, ""
        self.found: dict[Wanted, CopiedTraining] = {}
        self._seeds = range(min(trials.seeds, LIKELY_SEEDS))
        twin = trials.copy(0, "initial")
        alike = likeness(twin) if _as_twins(twin) else None
        for each in dict.fromkeys(wanted) if alike is not None else ():
            made, own, start, _ = trials.way(*each)
            copied = trials.changed(made, own, start, 0) if start == "initial" else ""
            if isinstance(copied, CopiedTraining) and _as_twins(copied) and likeness(copied) == alike:
                self.found[each] = copied
        self._graph = trials.tapes.graph(twin) if self._pays(self.found) else None
        if self._graph is None:
            self.why = self.why or trials.tapes.why
        elif self._graph.operations > _MOST_OPERATIONS:
            self.why = f"{self._graph.operations / 1e6:.0f} million operations a step are as fast one after another"
        if self.why:
            self.found = {}

    def run(self, wanted: Iterable[Wanted] | None = None, deadline: float = float("inf")) -> None:
        """Train the copies of what was found, or of those of them that are wanted, in fewer steps where the time demands it."""
        chosen = [each for each in self.found if wanted is None or each in set(wanted)]
        if not self._pays(chosen) or self._graph is None:
            return
        trials, copies = self.trials, dict[Wanted, list[CopiedTraining]]()
        twins = [trials.copy(seed, "initial") for seed in self._seeds]
        for change, argument in chosen:
            made, argument_made, _, _ = trials.way(change, argument)
            more = [trials.changed(made, argument_made, "initial", seed) for seed in self._seeds[1:]]
            own = [self.found[change, argument], *(each for each in more if isinstance(each, CopiedTraining))]
            if len(own) == len(twins):
                copies[change, argument] = own
        try:
            stacked = StackedCopies([*twins, *(copied for own in copies.values() for copied in own)], self._graph)
            steps = min(trials.steps, int(_PLANNED * min(deadline - time.perf_counter(), 1e9) / stacked.pace()))
            if steps < min(trials.steps, LEAST_STEPS) or not stacked.learn(steps, deadline):
                self.why = "there was no time"
                return
        except Exception as error:  # of kernels that cannot be mapped
            self.why = said_by(error)
            return
        trials.steps = steps
        for seed, twin in enumerate(twins):
            trials.twins["initial", False, seed, False] = twin.end()
        trials.done = {each: [copied.end() for copied in own] for each, own in copies.items()}

    def _pays(self, changes: Iterable[Wanted]) -> bool:
        alike = len(list(changes)) + 1
        if alike < _LEAST_ALIKE or alike * len(self._seeds) * self.trials.steps < _LEAST_STEPS:
            self.why = "so few copies are as fast one after another"
            return False
        return True


def _as_twins(copied: CopiedTraining) -> bool:
    """Whether a copy takes as many steps as it is told to, learns from them, and is judged by all rows alike."""
    return copied.length == 1 and copied.judging is None and copied.habits.learns
