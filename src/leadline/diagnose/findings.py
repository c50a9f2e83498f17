"""Findings and the verdict: what is wrong with a training, how one knows, why, and what to do about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from leadline.diagnose.kinds import KINDS
from leadline.diagnose.readings import Readings

COURSE = "the course of the loss"
"""What was checked where nothing else could be."""
UNJUDGED = "How good the network is could not be judged."
"""The outcome where there is nothing to judge by."""


@dataclass(frozen=True)
class Measure:
    """One number that speaks for a finding, with the range in which it is healthy (None is no bound).

    Example:
        >>> print(Measure("update ratio", 0.31, high=0.01))
        update ratio 0.31 (healthy: up to 0.01)
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def usual(self) -> bool:
        """Whether the value lies in its healthy range."""
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            healthy = ""
        elif self.low is None:
            healthy = f" (healthy: up to {self.high:.3g})"
        elif self.high is None:
            healthy = f" (healthy: {self.low:.3g} or more)"
        else:
            healthy = f" (healthy: {self.low:.3g} to {self.high:.3g})"
        return f"{self.name} {self.value:.3g}{healthy}"


@dataclass(frozen=True)
class Remedy:
    """What to do: `says` in a sentence; `changes` to a Plan by dotted key; `code`, a line of Python for a plain module.

    Example:
        >>> Remedy("Take a tenth of the learning rate.", {"training.learning_rate": 1e-4}).changes
        {'training.learning_rate': 0.0001}
    """

    says: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    `kind` is one of `KINDS`; `severity` is "severe", "moderate" or "remark" (inside, without harm to the outcome);
    `confidence` is in [0, 1]; `where` names a layer, a column or a row; `tried` tells what a counterfactual training or a
    direct test showed, and `confirmed` says that it gained more than two standard errors, or is certain without a trial.

    Example:
        >>> ratio = Measure("update ratio", 0.31, high=0.01)
        >>> finding = Finding("rate_too_high", "severe", 0.9, (ratio,), "Too long steps.")
        >>> finding.title
        'Learning rate too high'
    """

    kind: str
    severity: str
    confidence: float
    evidence: tuple[Measure, ...]
    cause: str
    remedy: Remedy = Remedy("")
    where: str = ""
    tried: str = ""
    confirmed: bool = False

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind

    @property
    def title(self) -> str:
        return KINDS[self.kind].title

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**dataclasses.asdict(self), "title": self.title}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Finding:
        """The inverse of `to_json`."""
        values = {key: value for key, value in record.items() if key != "title"}
        values["evidence"] = tuple(Measure(**each) for each in record["evidence"])
        values["remedy"] = Remedy(**record["remedy"])
        return cls(**values)


@dataclass(frozen=True, repr=False)
class Verdict(Sequence[Finding]):
    """The findings of one training, the weightiest first; empty when it is healthy.

    `remarks` are what was seen inside of a network that nevertheless does well; `checked` says what was looked at, `unchecked`
    what could not be looked at and why; `outcome` says in a sentence how well it learned. `trained` is false before the
    training, when no findings mean that nothing was found, not that all is well. `readings`, of a verdict that `check` has
    made, are the numbers that it rests on.

    Example:
        >>> verdict = Verdict((), outcome="Right for 97 % of held-out rows.", checked=("rates", "gradients"))
        >>> verdict.healthy, len(verdict)
        (True, 0)
        >>> print(verdict)
        Healthy. Right for 97 % of held-out rows. Checked: rates, gradients.
    """

    findings: tuple[Finding, ...] = ()
    remarks: tuple[Finding, ...] = ()
    outcome: str = ""
    checked: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    seconds: float = 0.0
    trained: bool = True
    readings: Readings | None = field(default=None, repr=False, compare=False)

    @property
    def healthy(self) -> bool:
        return not self.findings

    @property
    def judged(self) -> bool:
        """Whether more was looked at than the course of the loss, which does not tell a sound training from an idle one."""
        return any(each != COURSE for each in self.checked)

    @overload
    def __getitem__(self, at: int) -> Finding: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Finding]: ...
    def __getitem__(self, at: int | slice) -> Finding | Sequence[Finding]:
        return self.findings[at]

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __str__(self) -> str:
        good = "Only the course of the loss was looked at." if self.checked and not self.judged else "Healthy."
        good = good if self.outcome != UNJUDGED else "Nothing wrong was seen."
        good = good if self.trained else "Nothing wrong was found before the training."
        parts = [f"{good} {self.outcome}".rstrip()] if self.healthy else [self.outcome] if self.outcome else []
        said: dict[str, int] = {}
        for number, finding in enumerate(self.findings, 1):
            parts.append(f"{number}. {told(finding, mended_by=said.get(finding.remedy.says, 0))}")
            said.setdefault(finding.remedy.says, number)
        if self.checked and self.healthy:
            parts.append("Checked: " + ", ".join(self.checked) + ".")
        if self.unchecked:
            parts.append("Not checked: " + "; ".join(self.unchecked) + ".")
        return (" " if self.healthy else "\n").join(parts)

    def __repr__(self) -> str:
        good = "healthy" if self.trained else "nothing found before the training"
        return f"Verdict({good if self.healthy else ', '.join(finding.kind for finding in self.findings)})"

    def to_json(self) -> dict[str, Any]:
        """As plain values, for `diagnosis.json`."""
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "remarks": [finding.to_json() for finding in self.remarks],
            "outcome": self.outcome,
            "checked": list(self.checked),
            "judged": self.judged,
            "unchecked": list(self.unchecked),
            "seconds": self.seconds,
            "trained": self.trained,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Verdict:
        """The inverse of `to_json`."""
        return cls(
            tuple(map(Finding.from_json, record["findings"])),
            tuple(map(Finding.from_json, record["remarks"])),
            record["outcome"],
            tuple(record["checked"]),
            tuple(record["unchecked"]),
            record["seconds"],
            record.get("trained", True),
        )


def told(finding: Finding, *, mended_by: int = 0) -> str:
    """A finding in one paragraph; where the remedy of an earlier one mends it too, its number stands for it.

    Example:
        >>> print(told(Finding("input_ignored", "severe", 0.8, (), "Inputs and targets do not belong together.")))
        Inputs ignored or labels misaligned: Inputs and targets do not belong together.
    """
    where = f" ({finding.where})" if finding.where else ""
    numbers = "; ".join(map(str, finding.evidence))
    pieces = [f"{finding.title}{where}: {finding.cause}", f"Seen: {numbers}." if numbers else ""]
    if mended_by:
        return " ".join(piece for piece in [*pieces, f"What mends {mended_by} mends this."] if piece)
    pieces += [finding.remedy.says]
    pieces += [f"`{finding.remedy.code}`" if finding.remedy.code else "", finding.tried]
    return " ".join(piece for piece in pieces if piece)
