"""The readings of a diagnosis as its drawings need them: names that can be read, and only what is a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leadline.report.wording import is_finite

Record = dict[str, Any]


class DrawnReadings:
    """What `diagnosis.json` keeps under "readings", whatever of it there is.

    Args:
        readings: plain values.
        classes: their names, where there are classes.

    Example:
        >>> DrawnReadings({"steps": {"losses": [[1, 2.0], [2, "float:nan"]]}}).curve()
        [(1, 2.0)]
    """

    def __init__(self, readings: Record, classes: Sequence[str] = ()) -> None:
        self.readings, self.classes = readings, list(classes)

    def part(self, name: str) -> Record:
        value = self.readings.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def samples(self) -> list[Record]:
        return [sample for sample in self.part("steps").get("samples") or () if is_finite(sample.get("step"))]

    def tensors(self) -> list[tuple[int, str]]:
        """Place and name of the weights that are drawn: not biases, and not what normalizes."""
        kinds, found = self.kinds(), []
        for at, name in enumerate(self.part("steps").get("names") or ()):
            layer, _, leaf = str(name).rpartition(".")
            known = not kinds or layer in kinds or name in kinds
            if "bias" not in leaf and known and "Norm" not in kinds.get(layer, ""):
                found.append((at, self.named(layer) if leaf == "weight" and layer else str(name)))
        return found

    def kinds(self) -> dict[str, str]:
        """What each layer with weights is."""
        return {str(layer.get("name")): str(layer.get("kind")) for layer in self.part("program").get("layers") or ()}

    def named(self, layer: str) -> str:
        """A layer's name, with what it is where the name is but a number."""
        kind = self.kinds().get(layer, "")
        return f"{layer} {kind}" if kind and layer.rpartition(".")[2].isdigit() else layer

    def curve(self) -> list[tuple[float, float]]:
        return [(step, loss) for step, loss in self.part("steps").get("losses") or () if is_finite(loss)]

    def held_out(self) -> list[tuple[float, float]]:
        return [(row[0], row[1]) for row in self.part("steps").get("valid") or () if is_finite(row[1])]


def item(values: Any, place: int) -> Any:
    """The value at a place, None where there is none.

    Example:
        >>> item([3.0], 0), item([3.0], 1), item(None, 0)
        (3.0, None, None)
    """
    return values[place] if isinstance(values, (list, tuple)) and place < len(values) else None
