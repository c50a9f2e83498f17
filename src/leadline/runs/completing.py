"""A Plan that was given, made whole for the data at hand."""

from __future__ import annotations

import dataclasses

from leadline.data.dataset import Dataset
from leadline.plan import Plan, propose
from leadline.plan.record import CHOSEN, GIVEN
from leadline.runs.observer import Observer


def completed(plan: Plan, dataset: Dataset, observer: Observer) -> Plan:
    """The Plan with the source and hash of these data; what the author of a file left out is proposed beside what it says.

    Args:
        plan: as it was given. One that was made in Python has a value for every choice and keeps them all.
        dataset: what is to be learnt.
        observer: is told where the Plan was made for other data.

    Example:
        >>> from leadline import data
        >>> digits = data.load("digits")
        >>> plan = completed(Plan.from_toml("[training]\\noptimizer = 'sgd'"), digits, Observer())
        >>> plan.model.name, plan.training == propose(digits, {"training.optimizer": "sgd"}).training
        ('convnet', True)
    """
    if plan.data.hash and plan.data.hash != dataset.fingerprint():
        observer.note("note", "the plan was made for other data, or another size or split of these; its choices are kept")
    if GIVEN in plan.why.values():
        said = {
            row["key"]: row["value"] for row in plan.rows() if row["key"] in plan.why and not row["key"].startswith("data.")
        }
        # As with `--set`: another optimizer has another rate.
        whole = propose(dataset, said)
        plan = dataclasses.replace(whole, data=plan.data, why={**whole.why, **plan.why})
    # Where the plan says what would be proposed anyway, the reason with the number of these data stays.
    proposed = propose(dataset, {"model": plan.model.name})
    values = {row["key"]: row["value"] for row in proposed.rows()}
    why = dict(plan.why) | {
        row["key"]: proposed.why[row["key"]]
        for row in plan.rows()
        if row["key"] in proposed.why
        and row["key"] != "model.name"
        and row["value"] == values.get(row["key"])
        # By its reason the kind of a column is known to be chosen, and so kept when the data are loaded again.
        and not (row["key"].startswith("data.columns.") and plan.why.get(row["key"]) in (CHOSEN, GIVEN))
    }
    return dataclasses.replace(plan, data=proposed.data, why=why)
