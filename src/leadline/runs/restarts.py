"""Many networks for one Run: trained in one stacked program or one after another, and the best of them, or their mean, kept."""

from __future__ import annotations

import copy
import dataclasses
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from leadline.data.dataset import Dataset
from leadline.errors import TrainingError
from leadline.models import Ensemble
from leadline.plan import Built, Plan, build
from leadline.plan.populations import BuiltPopulation, build_population, weights_of
from leadline.plan.restarts import candidates, what_differs
from leadline.runs.diagnoses import tell_verdict
from leadline.runs.diagnosing import Watching, concluded, tell_before, watched
from leadline.runs.going_on import fit_in
from leadline.runs.observer import Observer
from leadline.runs.solving import solved_head, starting_weights
from leadline.training import Callback, Evaluation, History, Interruption
from leadline.training import checkpoints as saved

_CHECKPOINT = Path("checkpoint")


@dataclass(frozen=True)
class Trained:
    """What a training came to: the network with its best weights, its history, how the others did, and who watched it."""

    built: Built
    history: History
    seconds: float
    restarts: dict[str, Any] | None = None
    watching: Watching | None = None


class Fitting:
    """Trains as a Plan says in a Run folder: one network, or many.

    A training that was interrupted comes back with that reason in its history; another `Fitting` in the same folder goes on.

    Args:
        path: of the Run.
        plan: resolved.
        dataset: its data.
        observer: is told what happens.
        callbacks: listen as well.
        every: seconds between checkpoints, at most.
        expected: seconds that it will take; 0 where it is not known.
    """

    def __init__(
        self,
        path: Path,
        plan: Plan,
        dataset: Dataset,
        observer: Observer,
        callbacks: Sequence[Callback],
        *,
        every: float,
        expected: float = 0.0,
    ) -> None:
        self.path, self.plan, self.dataset, self.observer = path, plan, dataset, observer
        self.callbacks, self.every, self.expected = callbacks, every, expected

    def fit(self) -> Trained:
        """Train from the beginning, or from where it was interrupted."""
        first = starting_weights(self.path, self.plan, self.dataset, self.observer)
        if self.plan.start.solves:
            return Trained(*solved_head(self.path, self.plan, self.dataset, first))
        if self.plan.start.networks == 1:
            built = build(self.plan, self.dataset, first=first)
            watching = watched(self.plan, self.dataset, built)
            if watching is not None:
                tell_before(watching, self.observer, expected=self.expected)
            trainee = built if watching is None else watching.built
            try:
                history = self._fit(trainee, self.path, _CHECKPOINT / "training.safetensors")
            except TrainingError:
                self._diagnose_failure(built, watching)
                raise
            return Trained(built, history, _seconds(history), watching=watching)
        plans = candidates(self.plan)
        how = "at once, in one program" if self.plan.start.together == "stacked" else "one after another"
        self.observer.note("restarts", f"{len(plans)} networks, {how}")
        return self._stacked(plans) if self.plan.start.together == "stacked" else self._one_by_one(plans, first)

    def _diagnose_failure(self, built: Built, watching: Watching | None) -> None:
        """Why it failed is worth more than that it did."""
        history = History.read(self.path / "history.jsonl")
        diagnosis = concluded(self.plan, self.dataset, built, history, watching)
        diagnosis.keep(self.path, self.dataset)
        tell_verdict(diagnosis.verdict, self.path, self.observer)

    def _fit(self, built: Built | BuiltPopulation, place: Path, checkpoint: Path) -> History:
        return fit_in(
            built,
            self.plan.training.epochs,
            history_file=place / "history.jsonl",
            checkpoint=place / checkpoint,
            every=self.every,
            observer=self.observer,
            callbacks=self.callbacks,
        )

    def _stacked(self, plans: list[Plan]) -> Trained:
        many = build_population(self.plan, self.dataset)
        try:
            history = self._fit(many, self.path, _CHECKPOINT / "training.safetensors")
        except TrainingError:  # all of them went wrong in one epoch; what they had come to before counts
            if many.best.value is None:
                raise
            history = History.read(self.path / "history.jsonl")
            many.best.restore(many.step.modules())
        built = build(plans[0], self.dataset)
        if history.stopped == Interruption.REASON:
            return Trained(built, history, _seconds(history))
        rows: list[dict[str, Any]] = [{}] * len(plans)
        for network, value, epoch in many.best.ranking():
            rows[network] = {
                "changes": what_differs(self.plan, plans[network]),
                "value": value if math.isfinite(value) else None,
                "best_epoch": epoch,
                "epochs": len(many.best.curves[network]),
                "stopped": "" if math.isfinite(value) else "its loss was never a number",
            }
        weights = weights_of(many, self.plan, self.dataset)
        return self._kept(built, history, _seconds(history), rows, weights)

    def _one_by_one(self, plans: list[Plan], first: dict[str, Tensor] | None) -> Trained:
        rows, weights, seconds = [], [], 0.0
        for number, plan in enumerate(plans):
            place = self.path / _CHECKPOINT / f"network-{number}"
            place.mkdir(exist_ok=True)
            if not (place / "finished.safetensors").exists():
                built, history, row = self._one(plan, place, first)
                if history.stopped == Interruption.REASON:
                    return Trained(built, history, seconds)
                saved.save(place / "finished.safetensors", {"row": row, "weights": built.model.state_dict()})
                (place / "training.safetensors").unlink(missing_ok=True)
                told = f"{row['value']:.4g}" if row["value"] is not None else row["stopped"]
                monitor = self.plan.training.monitor.replace("_", " ")
                self.observer.note("restart", f"{number + 1} of {len(plans)}: {monitor} {told}, epoch {row['best_epoch']}")
            kept = saved.load(place / "finished.safetensors")
            rows.append(kept["row"])
            weights.append(kept["weights"])
            seconds += _seconds(History.read(place / "history.jsonl"))
        built = build(plans[0], self.dataset, first=first)
        winner = _winner(rows, higher_is_better=built.best.higher_is_better)
        shutil.copyfile(self.path / _CHECKPOINT / f"network-{winner}" / "history.jsonl", self.path / "history.jsonl")
        return self._kept(built, History.read(self.path / "history.jsonl"), seconds, rows, weights)

    def _one(self, plan: Plan, place: Path, first: dict[str, Tensor] | None) -> tuple[Built, History, dict[str, Any]]:
        built = build(plan, self.dataset, first=first)
        row: dict[str, Any] = {"changes": what_differs(self.plan, plan), "value": None, "best_epoch": 0, "stopped": ""}
        try:
            history = self._fit(built, place, Path("training.safetensors"))
            row["stopped"] = history.stopped
        except TrainingError as error:  # this one went wrong; what it had come to before counts, as do the others
            history = History.read(place / "history.jsonl")
            row["stopped"] = str(error)
            built.best.restore(built.step.modules())
        if built.best.value is not None and math.isfinite(built.best.value):
            row |= {"value": built.best.value, "best_epoch": best_epoch(history)}
        row["epochs"] = int(history["epoch"][-1]) if len(history) else 0
        return built, history, row

    def _kept(
        self, built: Built, history: History, seconds: float, rows: list[dict[str, Any]], weights: list[dict[str, Tensor]]
    ) -> Trained:
        """The winner's weights, or an ensemble of all networks that came to something."""
        winner = _winner(rows, higher_is_better=built.best.higher_is_better)
        record = {
            "networks": rows,
            "winner": winner,
            "monitor": built.best.monitor,
            "together": self.plan.start.together,
            "why": self.plan.why.get("start.together", ""),
            "ensemble": self.plan.start.ensemble,
        }
        if not self.plan.start.ensemble:
            built.model.load_state_dict(weights[winner])
            return Trained(built, history, seconds, record)
        networks = []
        for row, state in zip(rows, weights, strict=True):
            if row["value"] is not None:
                networks.append(copy.deepcopy(built.model))
                networks[-1].load_state_dict(state)
        ensemble = Ensemble(networks, self.dataset.task)
        judge = Evaluation(ensemble.eval(), built.evaluate.batches, built.evaluate.loss, built.evaluate.measures)
        record["mean"] = judge().get(built.best.monitor)
        return Trained(dataclasses.replace(built, model=ensemble), history, seconds, record)


def best_epoch(history: History) -> int:
    """The epoch whose weights were kept, 0 where none was better than another."""
    best = [record["epoch"] for record in history if record.get("best")]
    return int(best[-1]) if best else 0


def _winner(rows: list[dict[str, Any]], *, higher_is_better: bool) -> int:
    known = [number for number, row in enumerate(rows) if row["value"] is not None]
    if not known:
        raise TrainingError(
            f"None of the {len(rows)} networks learned anything",
            got=rows[0]["stopped"],
            do="Take a tenth of the learning rates.",
        )
    sign = -1 if higher_is_better else 1
    return min(known, key=lambda number: sign * rows[number]["value"])


def _seconds(history: History) -> float:
    return float(history["seconds"][-1]) if len(history) else 0.0
