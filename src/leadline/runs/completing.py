"""A Plan that was given, made whole for the data at hand."""

from __future__ import annotations

import dataclasses

from leadline.data.dataset import Dataset
from leadline.plan import Plan, propose
from leadline.plan.record import CHOSEN, GIVEN
from leadline.runs.observer import Observer


def completed(plan: Plan, dataset: Dataset, observer: Observer) -> Plan:
    """The Plan with the source and hash of these data; what the author of a file left out is proposed beside what it says.

    A choice that has no reason, or none but that it was given, gets that of the proposal where it would be proposed anyway.

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
    elsewhere = bool(plan.data.hash) and plan.data.hash != dataset.fingerprint()
    if elsewhere:
        observer.note("note", "the plan was made for other data, or another size or split of these; its choices are kept")
    if GIVEN in plan.why.values():
        said = {
            row["key"]: row["value"] for row in plan.rows() if row["key"] in plan.why and not row["key"].startswith("data.")
        }
        # As with `--set`: another optimizer has another rate.
        whole = propose(dataset, said)
        plan = dataclasses.replace(whole, data=plan.data, why={**whole.why, **plan.why})
    proposed = _proposed_beside(plan, dataset)
    # What was chosen, measured or searched over has a better reason than what is usual; numbers of other data are no reason.
    weak = {"", GIVEN} | ({reason for reason in plan.why.values() if reason != CHOSEN} if elsewhere else set())
    values = {row["key"]: row["value"] for row in proposed.rows()}
    why = dict(plan.why) | {
        row["key"]: proposed.why[row["key"]]
        for row in plan.rows()
        if row["key"] in proposed.why
        and row["key"] != "model.name"
        and row["value"] == values.get(row["key"])
        and plan.why.get(row["key"], "") in weak
        and proposed.why[row["key"]] != CHOSEN
        # By its reason the kind of a column is known to be chosen, and so kept when the data are loaded again.
        and not (row["key"].startswith("data.columns.") and plan.why.get(row["key"]) in (CHOSEN, GIVEN))
    }
    return dataclasses.replace(plan, data=proposed.data, why=why)


def _proposed_beside(plan: Plan, dataset: Dataset) -> Plan:
    """What would be proposed beside those choices of the Plan that nobody would propose: reasons speak of each other."""
    values = {row["key"]: row["value"] for row in propose(dataset, {"model": plan.model.name}).rows()}
    own = {
        row["key"]: row["value"]
        for row in plan.rows()
        if not row["key"].startswith("data.") and row["value"] != values.get(row["key"])
    }
    return propose(dataset, {**own, "model.name": plan.model.name})
