"""Who hears of each evaluation: a schedule that waits for a plateau, an average that begins once validation is stuck."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from leadline.errors import PlanError
from leadline.optim import AverageOnceStuck, Plateau
from leadline.training import Best

Columns = dict[str, float]


def listeners(schedule: Any, step: Any, best: Best, columns: Sequence[str]) -> Callable[[Columns], None] | None:
    """What is to be told the columns of each evaluation; None where nobody listens.

    Args:
        schedule: of the training.
        step: wrapped in its average.
        best: whose column the schedule hears of.
        columns: of the history; the last one, "loss", is of the training rows.

    Errors: `PlanError` for a schedule or an average that would watch the training rows.
    """
    plateau = schedule if isinstance(schedule, Plateau) else None
    average = step if isinstance(step, AverageOnceStuck) else None
    if average is not None and average.monitor not in columns[:-1]:
        raise _unseen("An average that begins once validation is stuck", "its monitor", columns, average.monitor)
    if plateau is not None and best.monitor == "loss":
        raise _unseen("A plateau", "training.monitor", columns, best.monitor)
    if plateau is None and average is None:
        return None

    def tell(record: Columns) -> None:
        if plateau is not None:
            plateau.update(record[best.monitor], higher_is_better=best.higher_is_better)
        if average is not None:
            average.told(record)

    return tell


def _unseen(who: str, key: str, columns: Sequence[str], got: str) -> PlanError:
    return PlanError(
        f"{who} is told by what is measured on validation rows", expected=f"{key} = " + " or ".join(columns[:-1]), got=got
    )
