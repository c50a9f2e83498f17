"""What a diagnosis of a Run is: a verdict, what it rests on, and the rows it speaks of; kept in the folder, told in a line."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leadline import files
from leadline.data.dataset import Dataset
from leadline.diagnose.findings import Finding, Verdict
from leadline.diagnose.readings import Readings
from leadline.diagnose.remedies import remedy_for
from leadline.diagnose.subject import Subject
from leadline.plan import Plan
from leadline.runs.diagnosed_rows import NamedRows, named_rows, rows_spoken_of
from leadline.runs.diagnosis_file import keep_diagnosis
from leadline.runs.observer import Observer
from leadline.training import History, Step

ROWLESS = {
    "trees": "trees",
    "tokens": "one stream of tokens",
    "ngram": "counts of n-grams",
    "words": "words with their neighbours",
}
"""Tasks whose rows are not tensors side by side, and what they are instead."""

_CURVE = 200  # points of a loss that are kept


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """A verdict, what it rests on, and the rows whose numbers stand there; `afterwards` where nothing listened to it."""

    verdict: Verdict
    readings: Readings
    train: NamedRows | None = None
    valid: NamedRows | None = None
    afterwards: bool = False

    def keep(self, path: Path, dataset: Dataset) -> None:
        """Write it into the folder of a Run: the file, and into its examples the rows that it speaks of."""
        keep_diagnosis(path, self.verdict, self.readings, afterwards=self.afterwards)
        if self.train is None or self.valid is None:
            return
        examples = files.read_json(path / "examples.json") if (path / "examples.json").exists() else {}
        examples["diagnosed"] = rows_spoken_of(self.readings, self.train, self.valid, dataset.schema)
        files.write_json(path / "examples.json", examples)


def with_collapse(diagnosis: Diagnosis, told: str) -> Diagnosis:
    """The diagnosis of a training to draw, with the collapse of its generator, if there is one, as the first finding."""
    if not told:
        return diagnosis
    remedy = remedy_for("adversarial_collapse", diagnosis.readings)
    finding = Finding("adversarial_collapse", "severe", 0.9, (), told, remedy, confirmed=True)
    verdict = dataclasses.replace(diagnosis.verdict, findings=(finding, *diagnosis.verdict.findings))
    return dataclasses.replace(diagnosis, verdict=verdict)


def tell_verdict(verdict: Verdict, path: Path, observer: Observer) -> None:
    """The verdict as the last short paragraph of a training.

    Example:
        >>> class Printed(Observer):
        ...     def note(self, label: str, text: str) -> None:
        ...         print(label, "·", text)
        >>> tell_verdict(Verdict(checked=("rates",)), Path("runs/digits-1"), Printed())
        diagnosis · healthy, as far as was checked (more: leadline diagnose runs/digits-1)
    """
    more = f"(more: leadline diagnose {shlex.quote(str(path))})"
    if verdict.findings:
        first, *others = verdict.findings
        told = f"{first.title}: {first.cause} {first.remedy.says}".strip()
        further = f" Also: {', '.join(each.title[:1].lower() + each.title[1:] for each in others)}." if others else ""
        observer.note("diagnosis", f"{told}{further} {more}")
    elif verdict.judged:
        observer.note("diagnosis", f"healthy, as far as was checked {more}")
    elif verdict.checked:
        observer.note("diagnosis", f"none: only the course of the loss was looked at {more}")
    else:
        observer.note("diagnosis", f"could not be made {more}")


def supervised_of(step: Step) -> Any:
    """The step that has a network, a loss and an optimizer, below averages and records; None where there is none such."""
    inner: Any = step
    while inner is not None and not all(hasattr(inner, name) for name in ("model", "loss", "optimizer")):
        inner = getattr(inner, "step", None)
    return inner if inner is not None and callable(inner.loss) else None


def rows_of_both(plan: Plan, dataset: Dataset, device: torch.device) -> tuple[NamedRows, NamedRows]:
    """Training rows and held-out rows, as the network gets them in evaluation."""
    last = plan.training.layout == "channels_last"
    train, valid = named_rows([dataset.train, dataset.valid], dataset.schema, device, channels_last=last)
    return train, valid


def subject_of(
    plan: Plan,
    dataset: Dataset,
    step: Any,
    train: NamedRows,
    valid: NamedRows,
    *,
    initial: Mapping[str, Tensor] | None = None,
    steps: int = 0,
) -> Subject:
    """A training of a Run as checks and trials see it.

    Args:
        plan: resolved.
        dataset: its data, of whose training rows those that were kept may be a part.
        step: with a network, a loss and an optimizer; of `supervised_of`.
        train: training rows that were kept.
        valid: held-out rows that were kept.
        initial: the weights before the first step, where the network of the step has others by now and they are known.
        steps: taken so far.
    """
    return Subject(
        step.model,
        step.loss,
        (step.optimizer,),
        train.rows,
        valid.rows,
        dict(initial or {}),
        batch=min(plan.training.batch or len(dataset.train), len(dataset.train)),
        steps=steps,
        rows=len(dataset.train),
    )


def steps_of(history: History) -> int:
    """How many steps a training took."""
    return int(history["step"][-1]) if len(history) else 0


def training_course(history: History) -> list[tuple[int, float]]:
    """(step, training loss), at most 200 of them."""
    points = [(int(record["step"]), float(record["loss"])) for record in history if record.get("loss") is not None]
    return points[:: max(1, -(-len(points) // _CURVE))]


def held_out_course(history: History) -> list[tuple[int, float, float]]:
    """(step, held-out loss, held-out error) of each epoch; the error is no number where no share of right answers is told.

    Example:
        >>> history = History()
        >>> history.append({"step": 10, "valid_loss": 0.5, "valid_accuracy": 0.75})
        >>> held_out_course(history)
        [(10, 0.5, 0.25)]
    """
    return [
        (int(record["step"]), float(record["valid_loss"]), 1 - float(record.get("valid_accuracy", float("nan"))))
        for record in history
        if record.get("valid_loss") is not None
    ]
