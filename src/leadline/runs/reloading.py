"""Loading the data of a Plan, for the first time and again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leadline import data
from leadline.data.dataset import Dataset
from leadline.data.pictures.folders import pictures_added, pictures_below
from leadline.errors import ArgumentError
from leadline.plan import Plan
from leadline.plan.changes import spelled_out
from leadline.plan.published_proposal import proposed_weights
from leadline.plan.record import CHOSEN, GIVEN
from leadline.plan.small_pictures import PHOTO
from leadline.runs.observer import Observer


def load_for(plan: Plan, source: Any = None, targets: Any = None, observer: Observer | None = None) -> Dataset:
    """The Dataset that a Plan was made for, loaded again with the same options.

    Pictures that come into a folder while it is read are left out, and a note says how many.

    Errors: `ArgumentError` where the data were arrays and are not given again.
    """
    if source is None and plan.data.source == "arrays":
        raise ArgumentError("The network was trained on arrays, which no name leads to", do="Give the same arrays again.")
    of_forecasts, of_texts = ("forecast", "lookback", "series", "known"), ("unit", "vocabulary", "min_count", "longest")
    of_tables = ("transform", "group", "time", "encoding", "usual")
    names = ("task", "target", "valid", "test", "size", "channels", "upscale", *of_texts, *of_tables, *of_forecasts)
    options: dict[str, Any] = {name: getattr(plan.data, name) or None for name in names}
    options["seed"] = plan.data.seed
    if plan.start.vectors:
        options["vectors"] = plan.start.vectors
    options["header"] = {"yes": True, "no": False}.get(plan.data.header)
    # Kinds that were told from the data are told from them again, with their reasons; those that a person chose are kept.
    chosen = {name: kind for name, kind in plan.data.columns.items() if plan.why.get(f"data.columns.{name}") in (CHOSEN, GIVEN)}
    options["columns"] = chosen or None
    source = plan.data.source if source is None else source
    folder = Path(source).expanduser() if isinstance(source, (str, Path)) and "\n" not in str(source) else None
    before = frozenset(pictures_below(folder)) if folder is not None and folder.is_dir() else None
    dataset = data.load(source, targets, **options, progress=(observer or Observer()).reading)
    if folder is None or not before:
        return dataset
    return dataclasses.replace(dataset, notes=(*dataset.notes, *pictures_added(folder, before)))


def load_to_propose(
    known: Plan, changes: Mapping[str, Any], source: Any, targets: Any = None, observer: Observer | None = None
) -> Dataset:
    """The Dataset of a source that a Plan is to be proposed for, with photos at the size that suits what is proposed.

    Few photos of classes from which everything has to be learned, as no published weights are at hand, are kept smaller than
    others; a note says what that costs. A size, a network or weights that a person has chosen are left as they are.

    Args:
        known: as far as it is known before the data are read.
        changes: of the person.
        source: a name, a path, or arrays, whose size is their own.
        targets: for arrays.
        observer: is told.
    """
    observer = observer or Observer()
    dataset = load_for(known, source, targets, observer)
    changes = spelled_out(changes)
    own = known.data.size or any(key.startswith("model.") for key in changes)
    if own or dataset.task != "classes" or not isinstance(source, (str, Path)):
        return dataset
    at_hand, told = proposed_weights(Plan(), dataset, changes)
    if at_hand or not told:
        return dataset
    observer.note("note", f"{told} Photos are kept at {PHOTO} pixels a side for that, which teaches more in the same time.")
    return load_for(dataclasses.replace(known, data=dataclasses.replace(known.data, size=PHOTO)), source, observer=observer)
