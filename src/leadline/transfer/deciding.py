"""The decision among the four ways to transfer, from what each reached on the same validation rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from leadline import metrics
from leadline.data.answers import Answers
from leadline.transfer.grids import headline_of
from leadline.transfer.skills import Skill, lead_of

STRATEGIES = {
    "head": "a new head on the whole network, frozen",
    "early head": "a new head on the first layers, frozen",
    "fine-tune": "training everything from the weights, slower towards the input",
    "scratch": "training from fresh weights",
}
_MUCH = 200  # rows per class; below, a network of its own rarely learns filters as good as those it is given
# With that many rows the error falls by the power of the rows trained on: benchmarks/transfer_adviser.py found 0.2 to 0.5
# between a short training and the whole one. With fewer rows it soon stops falling, and nothing is added.
_POWER = 0.3


@dataclass(frozen=True)
class Candidate:
    """One way that was tried: what it answered for the validation rows [V, …], and its skill.

    `share` is the part of its whole training that it was given: 1 for a head, which is solved, so that more changes nothing.

    Example:
        >>> import torch
        >>> Candidate("head", "before fc", 1, torch.ones(1, 2), Skill("new head", "", 1.0, 1.0, 1.0, "", 0.0), 1.0).final
        True
    """

    strategy: str
    layer: str
    grid: int
    predictions: Tensor
    skill: Skill
    share: float

    @property
    def final(self) -> bool:
        return self.share == 1.0


_Ahead = Callable[[Candidate, Candidate], tuple[float, float, float]]


@dataclass(frozen=True)
class Decision:
    """What to do, at which layer, the situation in words, and why.

    Example:
        >>> Decision("scratch", "", 1, "much", "different", "measured").strategy
        'scratch'
    """

    strategy: str
    layer: str
    grid: int
    amount: str
    similarity: str
    reason: str


def decide(
    candidates: Sequence[Candidate], targets: Tensor, answers: Answers, rows_per_class: float, *, force: str = ""
) -> Decision:
    """Choose the way that serves best on the validation rows, as far as they can tell.

    All ways are compared on the same rows, redrawn together. With 200 rows a class and more, a short training is expected to go
    on: its error e after a share s of the whole training becomes e · s^0.3; with fewer rows it is taken as it is. Of the frozen
    heads the best is taken; fine-tuning where it is ahead of that, scratch where it is ahead of both.

    Args:
        candidates: at least one; heads of several depths may be among them, from early to late.
        targets: of the validation rows, as stored.
        answers: of the Schema.
        rows_per_class: training rows; of all, where there are no classes.
        force: a strategy that is taken whatever the others reached.

    Example:
        >>> import torch
        >>> from leadline.data import Classes
        >>> right = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
        >>> skill = Skill("new head", "before fc", 1.0, 0.5, 1.0, "", 0.0)
        >>> head = Candidate("head", "before fc", 1, right, skill, 1.0)
        >>> decide([head], torch.tensor([0, 1]), Classes(("a", "b")), 12.0).strategy
        'head'
    """
    heads = [each for each in candidates if each.final]
    tuned = next((each for each in candidates if each.strategy == "fine-tune"), None)
    scratch = next((each for each in candidates if each.strategy == "scratch"), None)

    def ahead(one: Candidate, other: Candidate) -> tuple[float, float, float]:
        return lead_of(one.predictions, other.predictions, targets, answers)

    amount = "much" if rows_per_class >= _MUCH else "little"
    gains = {id(each): _gain(each, answers) if amount == "much" else 0.0 for each in candidates}

    def wins(one: Candidate, other: Candidate | None) -> bool:
        return other is None or ahead(one, other)[0] + gains[id(one)] - gains[id(other)] > 0

    def best_of(some: Sequence[Candidate]) -> Candidate | None:
        """The last of them, or one before it that is ahead."""
        found = some[-1] if some else None
        for each in some[:-1]:
            if wins(each, found):
                found = each
        return found

    best = best_of(heads)
    similarity = _similarity(heads, scratch, ahead)
    if force:
        chosen = best_of([each for each in candidates if each.strategy == force])
        layer, grid = (chosen.layer, chosen.grid) if chosen is not None else ("", 1)
        return Decision(force, layer, grid, amount, similarity, "chosen by you")
    chosen = best
    if tuned is not None and wins(tuned, best):
        chosen = tuned
    if scratch is not None and wins(scratch, tuned) and wins(scratch, best):
        chosen = scratch
    assert chosen is not None
    reason = _told(chosen, candidates, gains, answers)
    return Decision(chosen.strategy, chosen.layer, chosen.grid, amount, similarity, reason)


def _gain(candidate: Candidate, answers: Answers) -> float:
    """By how much the metric is expected to get better until the end of the whole training."""
    value = candidate.skill.value
    error = 1 - value if _higher_is_better(answers) else value
    return float(error * (1 - candidate.share**_POWER))


def _higher_is_better(answers: Answers) -> bool:
    return metrics.for_task(answers.task, answers.outputs)[headline_of(answers)].higher_is_better


def _similarity(heads: Sequence[Candidate], scratch: Candidate | None, ahead: _Ahead) -> str:
    """Similar where the last features, which are the most particular, serve the new task no worse than anything else does."""
    if not heads:
        return "different"
    others = [*heads[:-1], *([scratch] if scratch is not None else [])]
    behind = any(ahead(other, heads[-1])[1] > 0 for other in others)
    return "different" if behind else "similar"


def _told(chosen: Candidate, candidates: Sequence[Candidate], gains: dict[int, float], answers: Answers) -> str:
    sign = 1 if _higher_is_better(answers) else -1

    def told(each: Candidate) -> str:
        gain = gains[id(each)]
        rest = f", {each.skill.value + sign * gain:.3f} expected at the end" if gain else ""
        return f"{each.skill.name} {each.skill.value:.3f}{rest}"

    skill, gain = chosen.skill, gains[id(chosen)]
    own = f"{skill.name} reached {skill.value:.3f} ({skill.low:.3f} … {skill.high:.3f}) on the validation rows"
    own += "" if chosen.final else f" in {chosen.share:.0%} of the training"
    own += f", from which {skill.value + sign * gain:.3f} is expected at its end" if gain else ""
    others = "; ".join(told(each) for each in candidates if each is not chosen)
    return own + (f"; beside it: {others}" if others else "")
