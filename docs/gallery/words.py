"""How a section is written: a picture with its sentence, and claims with their numbers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from gallery.drawing import SUPERSCRIPT


class Claim(NamedTuple):
    """What textbooks say, how it was tried, what came out, and whether it holds: "holds", "holds partly", "does not hold "
    "here"."""

    claim: str
    setting: str
    number: str
    verdict: str


def shown(name: str, alternative: str, sentence: str) -> str:
    """A picture of the gallery, what it shows for those who do not see it, and what to look at."""
    return f"![{alternative}](images/gallery/{name}.png)\n\n{sentence}\n"


def table(claims: Sequence[Claim]) -> str:
    """Claims as a table."""
    lines = ["| claim | setting | measured | verdict |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {each.claim} | {each.setting} | {each.number} | **{each.verdict}** |" for each in claims)])


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean ± standard deviation over the seeds."""
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}".replace("-", "−")


def percent(values: Sequence[float]) -> str:
    """Mean ± standard deviation over the seeds, in percent."""
    return spread([100 * value for value in values], 1) + " %"


def power(value: float) -> str:
    """A positive number of any size, to two digits: 0.31, or 2.4·10⁻⁹."""
    if value == 0 or 0.01 <= value < 1000:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}·10" + str(int(exponent)).translate(SUPERSCRIPT)


def verdict(holds: bool, partly: bool = False) -> str:
    """The one of three words."""
    return "holds" if holds else "holds partly" if partly else "does not hold here"
