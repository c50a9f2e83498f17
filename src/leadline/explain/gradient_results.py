"""What a check of gradients has found, to be read by people."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass


@dataclass(frozen=True)
class GradientEntry:
    """One number of a tensor: what the backward pass says of it and what central differences say.

    Example:
        >>> GradientEntry((0, 2), analytic=0.5, numeric=0.25, error=0.5).index
        (0, 2)
    """

    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float


@dataclass(frozen=True)
class TensorCheck:
    """What was found for one parameter or input.

    `checked` of its `size` numbers were compared, `kinks` more stand where the loss has a kink and there is nothing to compare;
    `worst` are the entries with the largest relative errors, the largest first; `connected` is whether the backward pass
    reaches the tensor at all.

    Example:
        >>> TensorCheck("weight", (2, 3), checked=6, kinks=0, wrong=0, max_error=1e-9, worst=(), connected=True).ok
        True
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    kinks: int
    wrong: int
    max_error: float
    worst: tuple[GradientEntry, ...]
    connected: bool

    @property
    def ok(self) -> bool:
        """Whether no number is wrong."""
        return self.wrong == 0

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class GradientCheck:
    """The verdict on a backward pass: `ok`, tensor by tensor, or why there was nothing to compare (`failure`).

    Example:
        >>> print(GradientCheck((), tolerance=1e-5, failure="the loss is NaN"))
        WRONG: the loss is NaN
    """

    tensors: tuple[TensorCheck, ...]
    tolerance: float
    failure: str = ""

    @property
    def ok(self) -> bool:
        """Whether the backward pass went through, something was compared, and nothing was wrong."""
        return not self.failure and self.checked > 0 and all(each.ok for each in self.tensors)

    @property
    def checked(self) -> int:
        """Numbers compared, over all tensors."""
        return sum(each.checked for each in self.tensors)

    @property
    def kinks(self) -> int:
        """Numbers skipped at kinks, over all tensors."""
        return sum(each.kinks for each in self.tensors)

    @property
    def max_error(self) -> float:
        """The largest relative error of all that were compared."""
        return max((each.max_error for each in self.tensors), default=0.0)

    def __str__(self) -> str:
        if self.failure:
            return textwrap.fill(f"WRONG: {self.failure}", 80, subsequent_indent="  ", break_long_words=False)
        lines = [f"{'tensor':<30} {'shape':<13} {'checked':>8} {'kinks':>6} {'max error':>10}  verdict"]
        for each in self.tensors:
            name = each.name if len(each.name) <= 30 else "…" + each.name[-29:]
            shape = "×".join(map(str, each.shape)) or "1"
            verdict = ("ok" if each.connected else "unused") if each.ok else "WRONG"
            error = f"{each.max_error:.1e}" if each.checked else "—"
            lines.append(f"{name:<30} {shape[:13]:<13} {each.checked:>8,} {each.kinks:>6,} {error:>10}  {verdict}")
        for each in self.tensors:
            lines += [line for entry in each.worst if not each.ok for line in _said(each, entry)]
        return "\n".join([*lines, self._conclusion()])

    def _conclusion(self) -> str:
        kinks = f", {self.kinks:,} skipped at kinks" if self.kinks else ""
        if not self.checked:
            return f"WRONG: nothing could be compared{kinks}."
        wrong = sum(each.wrong for each in self.tensors)
        if wrong:
            hidden = [each.name for each in self.tensors if not each.ok and not each.connected]
            cut = f" The backward pass does not reach {', '.join(hidden)}: is it detached?" if hidden else ""
            return textwrap.fill(f"WRONG: {wrong:,} of {self.checked:,} compared{kinks}.{cut}", 80)
        return f"ok: {self.checked:,} compared{kinks}, largest relative error {self.max_error:.1e}"

    def to_json(self) -> dict[str, object]:
        """Plain values; an error that is no number is null."""
        return {
            "ok": self.ok,
            "failure": self.failure,
            "tolerance": self.tolerance,
            "checked": self.checked,
            "kinks": self.kinks,
            "tensors": [
                {
                    "name": each.name,
                    "shape": list(each.shape),
                    "ok": each.ok,
                    "connected": each.connected,
                    "checked": each.checked,
                    "kinks": each.kinks,
                    "wrong": each.wrong,
                    "max_error": _finite(each.max_error),
                    "worst": [
                        {
                            "index": list(entry.index),
                            "analytic": _finite(entry.analytic),
                            "numeric": _finite(entry.numeric),
                            "error": _finite(entry.error),
                        }
                        for entry in each.worst
                    ],
                }
                for each in self.tensors
            ],
        }


def _said(tensor: TensorCheck, entry: GradientEntry) -> list[str]:
    analytic = "none" if not tensor.connected else f"{entry.analytic:.9g}"
    words = f"{tensor.name}{list(entry.index)}: backward {analytic}, differences {entry.numeric:.9g} (error {entry.error:.1e})"
    return textwrap.wrap(words, 80, initial_indent="  ", subsequent_indent="    ", break_long_words=False)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
