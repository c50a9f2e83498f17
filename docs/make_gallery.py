"""Measure, draw and write docs/gallery.md: `python docs/make_gallery.py [--redraw] [SECTION …]`.

With the names of sections only those are measured anew; `--redraw` measures nothing and makes pictures and page of the numbers
in docs/gallery/results.json. Everything is seeded; another machine may differ in the last digits.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import torch
from gallery import (
    activations,
    deep,
    dropout,
    initializers,
    noise,
    paths,
    rates,
    restarts,
    schedules,
    sparse,
)

from leadline import files

DOCS = Path(__file__).parent
RESULTS, PICTURES, PAGE = DOCS / "gallery" / "results.json", DOCS / "images" / "gallery", DOCS / "gallery.md"
SECTIONS: dict[str, ModuleType] = {
    "activations": activations,
    "schedules": schedules,
    "initializers": initializers,
    "paths": paths,
    "restarts": restarts,
    "sparse": sparse,
    "rates": rates,
    "noise": noise,
    "deep": deep,
    "dropout": dropout,
}
INTRODUCTION = """# Gallery

The parts of Leadline, drawn and measured by running them. Below the pictures stand claims that textbooks make, how each was
tried, and whether it held. A number with a ± is the mean and the standard deviation over five seeds. Rates are the best of
a grid, for each method its own, judged by the mean over the seeds.

`python docs/make_gallery.py` makes everything on this page anew, numbers and verdicts included, in a few minutes on one core.
"""


def page(results: dict[str, Any]) -> str:
    """The whole of gallery.md, from the numbers alone."""
    return "\n".join([INTRODUCTION, *(section.tell(results[name]) for name, section in SECTIONS.items())])


def _keep(results: dict[str, Any]) -> None:
    """Write the numbers, a section a line."""
    lines = (f"{json.dumps(name)}: {json.dumps(found, ensure_ascii=False)}" for name, found in results.items())
    files.write_text(RESULTS, "{\n" + ",\n".join(lines) + "\n}\n")


def main(words: list[str]) -> None:
    """Measure what is asked for, and make the page of all there is."""
    torch.set_num_threads(1)
    redraw = "--redraw" in words
    names = [word for word in words if word != "--redraw"]
    if unknown := [name for name in names if name not in SECTIONS]:
        raise SystemExit(f"There is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}.")
    PICTURES.mkdir(parents=True, exist_ok=True)
    results = files.read_json(RESULTS) if redraw or names else {}
    for name, section in SECTIONS.items():
        start = time.perf_counter()
        if not redraw and name in (names or SECTIONS):
            results[name] = section.measure()
            _keep(results)
        if name in (names or SECTIONS):
            section.draw(results[name], PICTURES)
            click.echo(f"{name}: {time.perf_counter() - start:.0f} s")
    files.write_text(PAGE, page(results))


if __name__ == "__main__":
    main(sys.argv[1:])
