"""Training a network that draws in a Run folder: features to judge by, a sheet after each epoch, and a watch for collapse."""

from __future__ import annotations

from pathlib import Path

import torch

from leadline.data.dataset import Dataset
from leadline.explain.samples.kept_sheets import KeptSheets
from leadline.metrics.sample_spreads import SampleSpread
from leadline.models import game_told
from leadline.plan import Plan, build
from leadline.plan.generate_building import evaluation_of
from leadline.runs.going_on import fit_in
from leadline.runs.observer import Observer
from leadline.runs.restarts import Trained
from leadline.training import Callback, Interruption, Training
from leadline.training import checkpoints as saved
from leadline.training.devices import preserved
from leadline.training.history import Record
from leadline.transfer.own_features import OwnFeatures, learn_own_features

FEATURES, SHEETS, FILM = "features.safetensors", "sheets", "training.gif"
_SHEETS = 120  # kept of a training at most: of more a film would take minutes
_ROWS, _WIDEST, _SQUARE = (
    6,
    12,
    64,
)  # of a sheet: rows with a column for each class, up to so many; pictures where there are none
_OPENING, _IN_A_ROW = 0.1, 3  # share of a training in which drawings may be alike; evaluations that make a collapse


def fit_drawings(
    path: Path, plan: Plan, dataset: Dataset, observer: Observer, interruption: Interruption, *, every: float
) -> Trained:
    """Train from the beginning, or from where it was interrupted. A training that was stopped says so in its history.

    Args:
        path: of the Run.
        plan: resolved.
        dataset: of pictures.
        observer: is told what happens.
        interruption: listens as well.
        every: seconds between checkpoints, at most.
    """
    features = judging_features(path, plan, dataset, observer)
    built = build(plan, dataset)
    evaluation = evaluation_of(built.model, dataset, features)
    built.evaluate = evaluation  # type: ignore[assignment]
    count, columns, classes = sheet_of(int(getattr(built.model, "classes", 0)))
    sheets = KeptSheets(
        path / SHEETS,
        count=count,
        columns=columns,
        classes=classes,
        seed=plan.training.seed,
        every=max(1, -(-plan.training.epochs // _SHEETS)),
    )
    built.callbacks += [sheets, Watch(observer, loss=plan.training.loss)]
    history = fit_in(
        built,
        plan.training.epochs,
        history_file=path / "history.jsonl",
        checkpoint=path / "checkpoint" / "training.safetensors",
        every=every,
        observer=observer,
        callbacks=[interruption],
    )
    return Trained(built, history, float(history["seconds"][-1]) if len(history) else 0.0)


def judging_features(path: Path, plan: Plan, dataset: Dataset, observer: Observer) -> OwnFeatures:
    """The features on which drawings are compared with pictures: those kept in the Run, or learned now and kept.

    Args:
        path: of the Run.
        plan: whose device and seed are taken.
        dataset: to learn from.
        observer: is told.
    """
    device = torch.device(plan.training.device)
    file = path / FEATURES
    if file.exists():
        return OwnFeatures.from_state(saved.load(file), device)
    if plan.training.threads:
        torch.set_num_threads(plan.training.threads)
    with preserved():
        features = learn_own_features(
            dataset.train,
            dataset.valid,
            dataset.schema,
            classes=dataset.schema.answers.outputs,
            device=device,
            seed=plan.training.seed,
            told=lambda text: observer.note("features", f"drawings are judged by those of a small network that learns {text}"),
        )
    saved.save(file, features.state())
    observer.note("features", f"of {features.words}")
    # As it will be read again, so that a resumed training computes with the very same network, layout included.
    return OwnFeatures.from_state(saved.load(file), device)


def sheet_of(classes: int) -> tuple[int, int, list[int] | None]:
    """How many pictures a sheet has, in how many columns (0 for about a square), and the class of each.

    Args:
        classes: that the network knows.

    Example:
        >>> sheet_of(0), sheet_of(3)[:2], sheet_of(3)[2][:4]
        ((64, 0, None), (18, 3), [0, 1, 2, 0])
    """
    if not classes:
        return _SQUARE, 0, None
    if classes <= _WIDEST:
        count = _ROWS * classes
        return count, classes, [at % classes for at in range(count)]
    return _SQUARE, 0, [at % classes for at in range(_SQUARE)]


class Watch(Callback):
    """Says when the drawings have collapsed, or one of the two networks has won, and at the end what the kept weights draw.

    Drawings are all alike in the first steps, so nothing is said in the first tenth of a training, and nothing that does not
    hold for three evaluations in a row.

    Args:
        observer: is told.
        loss: of the training.

    Example:
        >>> class Said(Observer):
        ...     def note(self, label: str, text: str) -> None:
        ...         print(label, text[:28])
        >>> watch = Watch(Said(), loss="hinge")
        >>> game = {"real_right": 0.8, "fake_right": 0.8, "real_logit": 1.0, "fake_logit": -1.0, "spread": 0.9}
        >>> collapsed = {"epoch": 9.0, **game, "valid_pairwise": 0.1, "valid_nearest": 0.0, "valid_coverage": 0.0}
        >>> for _ in range(4):
        ...     watch.hear(collapsed)
        collapse The generator has collapsed:
    """

    def __init__(self, observer: Observer, *, loss: str) -> None:
        self.observer, self.loss = observer, loss
        self._heard = 0

    def fit_start(self, now: Training) -> None:
        self._heard = 0

    def evaluated(self, now: Training) -> None:
        if now.fraction > _OPENING:
            self.hear(now.history.records[-1])

    def hear(self, record: Record) -> None:
        """Take note of one evaluation."""
        told = wrong_with(record, self.loss)
        self._heard = self._heard + 1 if told else 0
        if self._heard == _IN_A_ROW:
            self.observer.note("collapse" if spread_of(record).told else "note", f"{told} (epoch {record['epoch']:g})")

    def fit_end(self, now: Training) -> None:
        if now.stopped == Interruption.REASON:
            return
        kept = [record for record in now.history if record.get("best")]
        if kept and (told := spread_of(kept[-1]).told):
            now.history.notes.append(f"{told} These were the best weights, of epoch {kept[-1]['epoch']:g}.")
        late = [record for record in now.history if "valid_pairwise" in record][-_IN_A_ROW:]
        if len(late) == _IN_A_ROW and not (kept and spread_of(kept[-1]).told) and all(wrong_with(r, self.loss) for r in late):
            now.history.notes.append(f"In the end: {wrong_with(late[-1], self.loss)}")


def wrong_with(record: Record, loss: str) -> str:
    """What is wrong with the drawings of an evaluation, or else with the game of the two networks; "" where nothing is.

    Args:
        record: of the history, at the end of an epoch.
        loss: of the training.
    """
    return spread_of(record).told or (game_told(record, loss=loss) if "real_right" in record else "")


def spread_of(record: Record) -> SampleSpread:
    """How different the drawings of an evaluation were.

    Args:
        record: of the history, at the end of an epoch.
    """
    return SampleSpread(*(float(record[f"valid_{name}"]) for name in SampleSpread._fields))
