"""Heads that are solved in a Run, and the weights that a network made of another one begins with."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leadline.data.dataset import Dataset
from leadline.plan import Built, Plan, build
from leadline.plan.network_building import head_of, network
from leadline.plan.pretraining import pretrained
from leadline.plan.pretraining_texts import pretraining_of
from leadline.plan.transferring import Resolved
from leadline.runs import folder as folders
from leadline.runs.observer import Observer
from leadline.training import History
from leadline.training import checkpoints as saved
from leadline.training.devices import preserved
from leadline.transfer import GridHead, check_features, fit_head_grid, fit_vectors_head, keep_features, set_head

_FIRST = Path("checkpoint") / "first.safetensors"
_COPIES = 4  # of each picture, where it is augmented: itself and three changed ones


def keep_first(path: Path, resolved: Resolved) -> None:
    """Keep the weights to begin with in the folder of the Run, so that it needs no other one from now on."""
    if resolved.record:
        folders.write_record(path, "training", transfer=resolved.record)
    if resolved.first is not None:
        saved.save(path / _FIRST, {"weights": resolved.first})


def forget_first(path: Path) -> None:
    """Take them away, when the Run is finished."""
    (path / _FIRST).unlink(missing_ok=True)


def starting_weights(path: Path, plan: Plan, dataset: Dataset, observer: Observer) -> dict[str, Tensor] | None:
    """The weights to begin with, where they are not those that the Plan says: with a head that is solved, once for the Run.

    Args:
        path: of the Run, into whose `run.json` goes how the head was found.
        plan: resolved.
        dataset: as its network takes it.
        observer: is told how good the head is.
    """
    if not (path / _FIRST).exists():
        if not plan.start.pretrain:
            return None
        _pretrain(path, plan, dataset, observer)
    weights: dict[str, Tensor] = saved.load(path / _FIRST)["weights"]
    record: dict[str, Any] = folders.read_record(path).get("transfer") or {}
    if "grid_table" in record or plan.start.pretrain:
        return weights
    started = time.perf_counter()
    with preserved():
        model = network(plan, dataset.schema)
        model.load_state_dict(weights)
        found, notes = _solve(model, plan, dataset)
    observer.note("head", found.describe())
    saved.save(path / _FIRST, {"weights": {name: value.cpu() for name, value in model.state_dict().items()}})
    table = {"metric": found.metric, "score": found.score, "l2": found.l2, "notes": notes}
    table["grid_table"] = [dataclasses.asdict(row) for row in found.table]
    table["head_seconds"] = round(time.perf_counter() - started, 2)
    folders.write_record(path, "training", transfer={**record, **table})
    return {name: value.cpu() for name, value in model.state_dict().items()}


def _pretrain(path: Path, plan: Plan, dataset: Dataset, observer: Observer) -> None:
    """Let the layers learn the inputs, and keep what they have learned in the folder of the Run."""
    of_words = pretraining_of(plan.start.pretrain).kind == "word2vec"
    observer.note("pretrain", f"{'vectors of words' if of_words else 'layer after layer'}, {plan.start.pretrain}")
    with preserved():
        found = pretrained(plan, dataset)
    for layer in found.layers:
        observer.note("", pretrained_words(layer))
    folders.write_record(path, "training", pretraining=found.layers)
    saved.save(path / _FIRST, {"weights": found.weights})


def pretrained_words(layer: dict[str, Any]) -> str:
    """What one layer has learned before the others.

    Example:
        >>> record = {"layer": 1, "units": 256, "epochs": 20, "first_loss": 60.0, "last_loss": 20.5, "seconds": 4.25}
        >>> pretrained_words(record)
        'layer 1, 256 units: a loss of 60 became 20.5 in 20 epochs (4.2 s)'
    """
    return (
        f"layer {layer['layer']}, {layer['units']:,} units: a loss of {layer['first_loss']:.4g} became "
        f"{layer['last_loss']:.4g} in {layer['epochs']:,} epochs ({layer['seconds']:.1f} s)"
    )


def _solve(model: nn.Module, plan: Plan, dataset: Dataset) -> tuple[GridHead, list[str]]:
    """Solve the head of a network in place; also what a person should know."""
    if not plan.start.transfers:
        _, found = fit_vectors_head(dataset)
        head = head_of(model)
        assert isinstance(head, nn.Linear)
        head.load_state_dict(found.head.state_dict())
        return found, []
    assert isinstance(model, nn.Sequential)
    schema, training, device = dataset.schema, plan.training, torch.device(plan.training.device)
    backbone, augment = model.get_submodule("backbone").to(device), None
    if training.augment.active:
        augment = dataclasses.replace(training.augment, mixup=0.0, cutmix=0.0)  # which give targets that are mixtures
        augment = augment if augment.active else None
    copies = _COPIES if augment is not None else 1
    train = keep_features(backbone, dataset.train, schema, augment=augment, copies=copies, seed=training.seed)
    valid = keep_features(backbone, dataset.valid, schema)
    targets, seen = torch.tensor(dataset.train.targets), (valid.rows(), torch.tensor(dataset.valid.targets))
    notes = list(dict.fromkeys(kept.note for kept in (train, valid) if kept.note))
    found = fit_head_grid(train.rows(), targets, *seen, schema.answers)
    if copies > 1:
        varied = fit_head_grid(*train.all_copies(targets), *seen, schema.answers)
        losses = [_least_loss(each) for each in (varied, found)]
        found = varied if losses[0] < losses[1] else found
        which = "kept" if found is varied else "left out"
        notes.append(
            f"{copies - 1} changed copies of each picture are {which}: "
            f"a validation loss of {losses[0]:.3f} with them, of {losses[1]:.3f} without."
        )
    set_head(model, found.head)
    check_features(backbone, train, dataset.train, schema, head=model.get_submodule("head"))
    model.cpu()
    return found, notes


def _least_loss(found: GridHead) -> float:
    return min(row.valid_loss for row in found.table)


def solved_head(path: Path, plan: Plan, dataset: Dataset, first: dict[str, Tensor] | None) -> tuple[Built, History, float]:
    """The network with its solved head, the penalties that were tried as its history, and the seconds it took.

    Args:
        path: of the Run.
        plan: resolved.
        dataset: as its network takes it.
        first: of `starting_weights`.
    """
    assert first is not None
    record = folders.read_record(path)["transfer"]
    built = build(plan, dataset, first=first)
    history, rows, seconds = History.read(path / "history.jsonl"), record["grid_table"], record["head_seconds"]
    history.cut(0)
    best = max(at for at, row in enumerate(rows) if row["l2"] == record["l2"])
    for at, row in enumerate(rows):
        told = {"step": at + 1, "seconds": seconds * (at + 1) / len(rows), "l2": row["l2"], "rows": row["rows"]}
        measured = {"valid_loss": row["valid_loss"], f"valid_{record['metric']}": row["valid_score"], "best": at == best}
        history.append({**told, **measured})
    history.stopped = "The head was solved, which takes no epochs."
    history.notes += record["notes"]
    history.sync()
    return built, history, seconds
