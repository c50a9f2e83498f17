"""The game of a generator and its rival, heard at sampled steps: who leads, and what drawn rows are beside real ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.rival_readings import Round
from leadline.diagnose.told_ways import same_memory

_ROWS = 128  # of a batch, among which distances are taken
_PAIRED = 0.8  # of the distance to other rows, below which two batches are the same rows with something added


@dataclass
class _Judged:
    """Rows that the rival judged: its scores, where they come from, and the mean gradient of the scores, once there is one."""

    given: Tensor
    scores: Tensor
    made: bool  # in the graph of the generator
    gradient: Tensor | None = None
    drawn: bool = False


class RivalGame:
    """Hooks on both networks for one step at a time; `heard` makes a round of what they heard.

    What the rival judges is drawn where it comes from the generator: it hangs on its graph, is its output, or that with noise.
    All else is real, but for inputs whose own gradient is asked for, as a penalty does. Where real and drawn rows are judged in
    one pass they are told apart in the same way.

    Args:
        generator: makes rows.
        rival: scores them.
        optimizers: of the generator.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> generator, rival = nn.Linear(2, 3), nn.Linear(3, 1)
        >>> game = RivalGame(generator, rival, ())
        >>> game.arm()
        >>> drawn = generator(torch.randn(16, 2))
        >>> scores = rival(torch.randn(16, 3) + 50), rival(drawn.detach())
        >>> round_ = game.heard(0, 0.5, None)
        >>> round_.right > 0.9, round_.far > 10
        (True, True)
    """

    def __init__(self, generator: nn.Module, rival: nn.Module, optimizers: Sequence[Any]) -> None:
        self.generator, self.rival, self.optimizers = generator, rival, optimizers
        self._first = [each.detach().clone() for each in rival.parameters()]
        self._handles: list[Any] = []
        self._drawn: list[Tensor] = []
        self._judged: list[_Judged] = []
        self._last: _Judged | None = None  # whose scores got a gradient
        self._own: _Judged | None = None  # from which the generator learned

    def arm(self) -> None:
        """Listen to the next step."""
        self.disarm()
        if any(isinstance(each, torch.jit.ScriptModule) for each in (self.generator, self.rival)):  # which take no hooks
            return
        self._handles = [
            self.generator.register_forward_hook(self._on_drawn),
            self.rival.register_forward_hook(self._on_judged, with_kwargs=True),
            *(optimizer.register_step_pre_hook(self._on_update) for optimizer in self.optimizers),
        ]

    def disarm(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._drawn, self._judged, self._last, self._own = [], [], [], None, None

    def heard(self, step: int, gradient: float | None, real: Any) -> Round | None:
        """The round of the step that was just made, or None where too little was heard; no hook is left.

        Args:
            step: its number.
            gradient: norm of the generator's at its update.
            real: the real rows, as the loop tells them, for a step at which the rival judged none.
        """
        drawn, judged, own = self._drawn, self._judged, self._own
        self.disarm()
        if not drawn:
            return None
        with torch.no_grad():
            parts = [part for each in judged for part in _sorted_out(each, drawn)]
            of_real = next((part for part in parts if not part.drawn), None)
            of_drawn = next((part for part in parts if part.drawn), None)
            rows = real if of_real is None else of_real.given
            if not isinstance(rows, Tensor) or rows.ndim == 0 or rows[:1].numel() != drawn[0][:1].numel():
                return None
            spread, far = _distances(_flat(drawn[0]), _flat(rows))
            right = None if of_real is None or of_drawn is None else share_told_apart(of_real.scores, of_drawn.scores)
            towards = None if of_real is None or own is None else _same_way(of_real.gradient, own.gradient)
        return Round(step, right, spread, far, gradient, towards)

    @property
    def rival_moved(self) -> bool:
        """Whether any of its parameters has changed."""
        pairs = zip(self._first, self.rival.parameters(), strict=True)
        return any(not torch.equal(first, now.detach()) for first, now in pairs)

    def _on_drawn(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        found = answer_tensor(output)
        if found is not None and found.ndim and found.is_floating_point():
            self._drawn.append(found.detach())

    def _on_judged(self, _module: nn.Module, arguments: Any, keywords: Any, output: Any) -> None:
        given = next((each for each in (*arguments, *keywords.values()) if isinstance(each, Tensor) and each.ndim), None)
        scores = answer_tensor(output)
        if given is None or scores is None or not scores.ndim or len(scores) != len(given):
            return
        if given.requires_grad and given.grad_fn is None:
            return
        judged = _Judged(given.detach(), _by_row(scores), given.grad_fn is not None)
        self._judged.append(judged)
        if scores.requires_grad:

            def back(gradient: Tensor) -> None:
                judged.gradient, self._last = _by_row(gradient), judged

            self._handles.append(scores.register_hook(back))  # type: ignore[no-untyped-call]

    def _on_update(self, _optimizer: Any, _arguments: Any, _keywords: Any) -> None:
        self._own = self._last if self._last is not None and self._last.made else None


def _by_row(values: Tensor) -> Tensor:
    return values.detach().float().reshape(len(values), -1).mean(1)


def _same_way(one: Tensor | None, other: Tensor | None) -> bool | None:
    """Whether two mean gradients have one sign; None where one is none or nothing."""
    signs = [0.0 if each is None else float(each.mean()) for each in (one, other)]
    return None if 0.0 in signs or not all(map(math.isfinite, signs)) else (signs[0] > 0) == (signs[1] > 0)


def share_told_apart(real: Tensor, drawn: Tensor) -> float:
    """The share of real and of drawn rows that their scores tell apart, each counting half, at the best threshold.

    Example:
        >>> share_told_apart(torch.tensor([0.9, 0.2]), torch.tensor([0.1, 0.3]))
        0.75
    """
    thresholds = torch.cat([real, drawn])[:, None]
    above = ((real > thresholds).float().mean(1) - (drawn > thresholds).float().mean(1)).abs().max()
    return 0.5 + 0.5 * float(above)


def _sorted_out(judged: _Judged, drawn: list[Tensor]) -> list[_Judged]:
    """The rows of one pass, with whether they come from the generator; in two parts where both kinds are in it."""
    if judged.made or any(same_memory(judged.given, each) for each in drawn):
        return [replace(judged, drawn=True)]
    sizes = [len(judged.given) - len(drawn[0]), len(drawn[0])]
    if min(sizes) <= 0:
        return [replace(judged, drawn=_is_one_of(judged.given, drawn))]
    for order in (sizes, sizes[::-1]):
        parts = [
            _Judged(judged.given[rows], judged.scores[rows], False, None if judged.gradient is None else judged.gradient[rows])
            for rows in (slice(0, order[0]), slice(order[0], None))
        ]
        for part in parts:
            part.drawn = _is_one_of(part.given, drawn)
        if parts[0].drawn != parts[1].drawn:
            return parts
    return []


def _is_one_of(given: Tensor, drawn: list[Tensor]) -> bool:
    """Whether these rows are drawn ones, perhaps with something added: each is then nearer to its own than to another."""
    for each in drawn:
        if each.shape != given.shape:
            continue
        one, other = _flat(given), _flat(each)
        own, others = (one - other).norm(dim=1).mean(), (one - other.roll(1, 0)).norm(dim=1).mean()
        if bool(own <= _PAIRED * others):
            return True
    return False


def _flat(rows: Tensor) -> Tensor:
    return rows[:_ROWS].detach().float().reshape(len(rows[:_ROWS]), -1)


def _distances(drawn: Tensor, real: Tensor) -> tuple[float, float]:
    """Mean distance of two drawn rows over that of two real ones, and the energy distance of both over the latter.

    2 E‖x − y‖ − E‖x − x'‖ − E‖y − y'‖ is 0 for two samples of one distribution.
    """
    within, among = (_mean_distance(each) for each in (drawn, real))
    between = float(torch.cdist(drawn, real).mean())
    scale = max(among, 1e-12)
    return within / scale, (2 * between - within - among) / scale


def _mean_distance(rows: Tensor) -> float:
    many = len(rows)
    return float(torch.cdist(rows, rows).sum()) / (many * (many - 1)) if many > 1 else math.nan
