"""Random restarts: the Plan of each network that a Plan with restarts or a search asks for."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

from leadline.errors import PlanError
from leadline.plan.changes import SEARCHED
from leadline.plan.record import Plan, StartPlan


def candidates(plan: Plan) -> list[Plan]:
    """A Plan for each network: every combination of the lists in `start.search`, each with `start.restarts` seeds.

    The first of them is what the Plan would train without restarts. Each stands for itself: it has one network.

    Errors: `PlanError` for a value in a list that its key cannot take, networks that are the same, or an ensemble of one.

    Example:
        >>> plan = Plan().but({"start.restarts": 2, "training.learning_rate": [0.001, 0.01], "training.seed": 5})
        >>> [(each.training.learning_rate, each.training.seed) for each in candidates(plan)]
        [(0.001, 5), (0.001, 6), (0.01, 5), (0.01, 6)]
    """
    if plan.start.ensemble and plan.start.networks == 1:
        raise PlanError("An ensemble needs several networks", do="Give --restarts 8, or leave --ensemble out.")
    alone = dataclasses.replace(plan.start, restarts=StartPlan.restarts, ensemble=False, search={}, together="one by one")
    found: dict[tuple[Any, ...], Plan] = {}
    for values in itertools.product(*plan.start.search.values()):
        changed = dataclasses.replace(plan, start=alone).but(
            dict(zip(plan.start.search, values, strict=True)), why="searched over"
        )
        for at in range(plan.start.restarts):
            seed = changed.training.seed + at
            own = *(value for key, value in zip(plan.start.search, values, strict=True) if key != "training.seed"), seed
            if own in found:
                raise PlanError(
                    "Two networks would be the same", got=what_differs(plan, found[own]), do="Leave one of them out."
                )
            found[own] = changed if at == 0 else changed.but({"training.seed": seed}, why=f"restart {at + 1}")
    return list(found.values())


def what_differs(plan: Plan, candidate: Plan) -> dict[str, Any]:
    """What tells a candidate from the others, by dotted key: its seed and its values of what is searched over.

    Example:
        >>> plan = Plan().but({"training.learning_rate": [0.001, 0.01]})
        >>> what_differs(plan, candidates(plan)[1])
        {'training.learning_rate': 0.01}
    """
    values = {row["key"]: row["value"] for row in candidate.rows()}
    wanted = {*plan.start.search, *(["training.seed"] if plan.start.restarts > 1 else [])}
    return {key: values[key] for key in SEARCHED if key in wanted}
