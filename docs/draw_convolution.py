"""Draw docs/images/mlp_or_convolution.png from what benchmarks/mlp_or_convolution.py has measured."""

from __future__ import annotations

import json
from pathlib import Path

from gallery.drawing import ACCENT, ORANGE, End, band, name_lines, picture

DOCS = Path(__file__).parent
MEASURED = DOCS.parent / "benchmarks" / "results" / "mlp_or_convolution.json"
COLORS = {"convolutional network": ACCENT, "multilayer perceptron": ORANGE}


def main() -> None:
    record = json.loads(MEASURED.read_text(encoding="utf-8"))
    with picture(DOCS / "images" / "mlp_or_convolution.png", 1, 1, height=3.4) as (axes,):
        ends = []
        for name, color in COLORS.items():
            by_shift = [run["accuracy_by_shift"] for run in record[name]["runs"]]
            pixels = [int(shift) for shift in by_shift[0]]
            seeds = [[100 * run[str(shift)] for shift in pixels] for run in by_shift]
            ends.append(End(band(axes, pixels, seeds, color), f"{name},\n{record[name]['parameters']:,} parameters", color))
        axes.set_title("Held-out pictures of CIFAR-10 that are right, in percent")
        axes.set_xlabel("shifted by so many pixels")
        axes.set_xticks(pixels)
        axes.set_ylim(bottom=0)
        name_lines(axes, ends, gap=0.2)


if __name__ == "__main__":
    main()
