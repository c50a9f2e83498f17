"""The Plan for a source, with its data: proposed, or completed from a file, and changed as a person asks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leadline.data.dataset import Dataset
from leadline.data.words.vector_sources import vector_width
from leadline.errors import PlanError
from leadline.plan import Plan, propose
from leadline.plan.changes import early, spelled_out
from leadline.plan.counted_models import COUNTED
from leadline.plan.origins import origin_of, with_model_of
from leadline.plan.published_proposal import proposed_weights
from leadline.plan.record import CHOSEN, GIVEN
from leadline.runs import folder as folders
from leadline.runs.completing import completed
from leadline.runs.observer import Observer

_SMALLEST = 4  # pixels a side that photos can be kept at


def known_early(plan: Plan | None, changes: Mapping[str, Any], *, loaded: bool = False) -> Plan:
    """The Plan as far as it is known before the data are read, so that a mistake in it is told before they are.

    Args:
        plan: as it was given, if any was.
        changes: of a person.
        loaded: whether the data are a Dataset already.

    Errors: `PlanError` for keys that no plan has, values of the wrong kind, and choices that come too late.

    Example:
        >>> known_early(None, {"training.batch": 32}).training.batch
        32
    """
    from_file = _from_file(plan)
    # Which network a file without `model.name` is for, and so which arguments there are, shows only when the data are there.
    checked = changes if plan is not None and not (from_file and "model.name" not in plan.why) else early(changes)
    known = (plan or Plan()).but(checked, why=GIVEN if from_file else CHOSEN)
    _check_changes_of_data(changes, loaded=loaded)
    if known.model.name in COUNTED and not known.data.task and not loaded:
        known = known.but({"data.task": known.model.name}, why=f"the model {known.model.name} is asked for")
    known = _with_vectors(known) if known.start.vectors else known
    return _with_network(known, changes, loaded=loaded) if known.start.weights else known


def planned(
    known: Plan, dataset: Dataset, changes: Mapping[str, Any], *, proposed: bool, observer: Observer | None = None
) -> Plan:
    """The whole Plan for these data.

    Args:
        known: of `known_early`.
        dataset: what is to be learnt.
        changes: of a person.
        proposed: whether no plan was given, so that all but the changes is proposed.
        observer: is told where the plan was made for other data.

    Example:
        >>> from leadline import data
        >>> changes = {"training.batch": 32}
        >>> planned(known_early(None, changes), data.load("digits"), changes, proposed=True).why["training.batch"]
        'chosen by you'
    """
    if known.start.weights:
        changes = {**changes, "start.weights": known.start.weights}  # "last" has been found by now
    if "start.vectors" in spelled_out(changes):
        changes = {**changes, "start.vectors": known.start.vectors}
    if proposed:
        plan = propose(dataset, {**_of_weights(known), **changes})
        own = {key: why for key, why in known.why.items() if key in _of_weights(known)}
        plan = dataclasses.replace(plan, why={**plan.why, **own})
        return _with_published(plan, dataset, changes, observer or Observer())
    return _chosen(completed(known, dataset, observer or Observer()), changes)


def _with_published(plan: Plan, dataset: Dataset, changes: Mapping[str, Any], observer: Observer) -> Plan:
    """The Plan starting from published weights, where photos are few and such weights are at hand."""
    ready, told = proposed_weights(plan, dataset, spelled_out(changes))
    if not ready:
        if told:
            observer.note("note", told)
        return plan
    started = propose(dataset, {**ready, **changes})
    return dataclasses.replace(started, why={**started.why, **dict.fromkeys(ready, told)})


def _with_network(known: Plan, changes: Mapping[str, Any], *, loaded: bool) -> Plan:
    """The Plan with the network that its weights are of, for pictures of the size that it knows."""
    if known.start.weights == "last" and not Path("last").exists():
        known = known.but({"start.weights": str(folders.locate("last"))}, why=known.why.get("start.weights", CHOSEN))
    origin = origin_of(known.start.weights)
    chosen = {key for key, why in known.why.items() if why in (CHOSEN, GIVEN)} | set(spelled_out(changes))
    known = with_model_of(known, origin, chosen)
    if origin.side >= _SMALLEST and not known.data.size and not loaded and known.start.transfer != "scratch":
        known = known.but({"data.size": origin.side}, why=f"the size that {origin.told} was trained on")
    return known


def _with_vectors(known: Plan) -> Plan:
    """The Plan with the path of its word vectors, of which a first one was read, so that a wrong path is told at once."""
    if known.start.vectors == "last" and not Path("last").exists():
        known = known.but({"start.vectors": str(folders.locate("last"))}, why=known.why.get("start.vectors", CHOSEN))
    vector_width(known.start.vectors)
    return known


def _of_weights(known: Plan) -> dict[str, Any]:
    """What is in a Plan by its weights: which they are and their network."""
    if not known.start.weights:
        return {}
    return {
        "start.weights": known.start.weights,
        "model.name": known.model.name,
        **{f"model.{name}": value for name, value in known.model.arguments.items()},
    }


def _from_file(plan: Plan | None) -> bool:
    return plan is not None and GIVEN in plan.why.values()


def _chosen(plan: Plan, changes: Mapping[str, Any]) -> Plan:
    """The completed Plan with the person's own changes marked as such, those of the network's arguments among them."""
    mine = {key: value for key, value in spelled_out(changes).items() if not key.startswith("data.")}
    values = {row["key"]: row["value"] for row in plan.rows()}
    why = {**plan.why, **{key: CHOSEN for key in mine if key in values}}
    late = {key: value for key, value in mine.items() if values.get(key) != value}
    return dataclasses.replace(plan, why=why).but(late)


def _check_changes_of_data(changes: Mapping[str, Any], *, loaded: bool) -> None:
    """What the data are is read from them, and a Dataset that is loaded has its splits already."""
    for key in spelled_out(changes):
        if key in ("data.source", "data.hash"):
            raise PlanError(f"{key} is not a choice", expected="the source itself as the first argument")
        if loaded and key.startswith("data."):
            raise PlanError(f"{key} comes too late for a Dataset that is loaded", do="Give it to data.load.")
