"""What the ways to transfer that were measured before a training say of how it came out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from leadline.diagnose.findings import Finding, Measure, Remedy
from leadline.runs.diagnoses import Diagnosis
from leadline.transfer.deciding import STRATEGIES

_OF_ERRORS = ("accuracy", "r2")  # metrics that are 1 less the error that a diagnosis judges by
_LEAST, _WIDE = 0.03, 1.96  # of the metric that another way must be ahead; standard errors in half a 95 % interval
_TUNED, _FRESH = "fine-tuning", "training from scratch"


def with_transfer(diagnosis: Diagnosis, record: Mapping[str, Any] | None) -> Diagnosis:
    """The diagnosis of a transfer; where another way had reached more before the training than this one did, it says so first.

    Args:
        diagnosis: of the training.
        record: of the situation that was measured, as the Run keeps it; None where nothing was transferred.
    """
    found = _wrong_way(diagnosis, record) if record else None
    if found is None:
        return diagnosis
    others = tuple(each for each in diagnosis.verdict.findings if each.kind != found.kind)
    return dataclasses.replace(diagnosis, verdict=dataclasses.replace(diagnosis.verdict, findings=(found, *others)))


def _wrong_way(diagnosis: Diagnosis, record: Mapping[str, Any]) -> Finding | None:
    judged, taken = diagnosis.readings.last.valid, str(record.get("decision", ""))
    ways = [each for each in record.get("skills") or () if _way_of(each) and not _is(each, taken, record)]
    if judged is None or record.get("metric") not in _OF_ERRORS or taken not in STRATEGIES or not ways:
        return None
    best, own = max(ways, key=lambda each: float(each["value"])), 1 - judged.error
    half = max(float(best["value"]) - float(best["low"]), 0.0)
    unsure = math.hypot(half, _WIDE * judged.error_se)
    ahead = float(best["value"]) - own
    if not ahead > max(_LEAST, unsure):
        return None
    way = _way_of(best)
    at = f" --set start.layer='{best['layer']}'" if way == "early head" else ""
    return Finding(
        "wrong_transfer",
        "severe",
        0.9,
        (
            Measure(f"{record['metric']} of this training on validation rows", own, low=float(best["low"])),
            Measure(f"{record['metric']} of {best['name']}, measured before", float(best["value"])),
        ),
        f"{str(best['name'])[:1].upper()}{str(best['name'])[1:]} had reached {best['value']:.3f} on the validation rows before "
        f"this training, which came to {own:.3f}.",
        Remedy(
            f"Take {STRATEGIES[way]}.",
            {"start.transfer": way, **({"start.layer": best["layer"]} if way == "early head" else {})},
            f"leadline train … --set start.transfer='{way}'{at}",
        ),
        confirmed=True,
    )


def _way_of(skill: Mapping[str, Any]) -> str:
    """The strategy that a measured skill stands for; none for nearest neighbours."""
    name = str(skill.get("name", ""))
    if name.startswith("new head"):
        return "head" if "late" in name else "early head"
    return {_TUNED: "fine-tune", _FRESH: "scratch"}.get(name, "")


def _is(skill: Mapping[str, Any], taken: str, record: Mapping[str, Any]) -> bool:
    """Whether this is the way that was taken; first layers are another way with each layer at which they are cut."""
    way = _way_of(skill)
    return way == taken and (way != "early head" or skill.get("layer") == record.get("layer"))
