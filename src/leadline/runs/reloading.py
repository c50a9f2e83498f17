"""Loading the data of a Plan, for the first time and again."""

from __future__ import annotations

from typing import Any

from leadline import data
from leadline.data.dataset import Dataset
from leadline.errors import ArgumentError
from leadline.plan import Plan
from leadline.plan.record import CHOSEN, GIVEN
from leadline.runs.observer import Observer


def load_for(plan: Plan, source: Any = None, targets: Any = None, observer: Observer | None = None) -> Dataset:
    """The Dataset that a Plan was made for, loaded again with the same options.

    Errors: `ArgumentError` where the data were arrays and are not given again.
    """
    if source is None and plan.data.source == "arrays":
        raise ArgumentError("The network was trained on arrays, which no name leads to", do="Give the same arrays again.")
    names = ("task", "target", "size", "channels", "upscale", "transform", "group", "time", "encoding")
    options: dict[str, Any] = {name: getattr(plan.data, name) or None for name in names}
    options |= {"valid": plan.data.valid, "test": plan.data.test, "seed": plan.data.seed}
    options["header"] = {"yes": True, "no": False}.get(plan.data.header)
    # Kinds that were told from the data are told from them again, with their reasons; those that a person chose are kept.
    chosen = {name: kind for name, kind in plan.data.columns.items() if plan.why.get(f"data.columns.{name}") in (CHOSEN, GIVEN)}
    options["columns"] = chosen or None
    return data.load(
        plan.data.source if source is None else source, targets, **options, progress=(observer or Observer()).reading
    )
