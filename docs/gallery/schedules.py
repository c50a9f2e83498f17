"""Each schedule of the learning rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gallery import drawing, words
from gallery.many import rounded
from leadline.optim import SCHEDULES, Plateau, make_schedule

POINTS = 201
PRODUCTS = ("cosine * warm_up(0.1)", "step_drops([0.5, 0.75]) * warm_up(0.1)", "exponential(0.1) * cosine(0.2)")
EVALUATIONS = 60


def watched(evaluation: int) -> float:
    """A made-up validation loss, which is what a schedule that watches is told: it falls, and stands still twice."""
    standing = [(15, 23), (38, 46)]
    moved = sum(not any(first <= each < last for first, last in standing) for each in range(evaluation))
    return 0.25 + 0.75 * 0.92**moved


def measure() -> dict[str, Any]:
    """The multiplier over the training."""
    found: dict[str, Any] = {}
    for text in (*SCHEDULES, *PRODUCTS):
        schedule = make_schedule(text)
        values, told = [], 0
        for point in range(POINTS):
            progress = point / (POINTS - 1)
            while isinstance(schedule, Plateau) and told < progress * EVALUATIONS:
                schedule.update(watched(told))
                told += 1
            values.append(schedule(progress))
        found[text] = {"multiplier": rounded(values), "mean": rounded(sum(values) / POINTS), "watches": told > 0}
    return found


def draw(numbers: dict[str, Any], folder: Path) -> None:
    """A panel for each."""
    columns = 4
    rows = -(-len(numbers) // columns)
    x = [point / (POINTS - 1) for point in range(POINTS)]
    with drawing.picture(folder / "schedules.png", rows, columns, height=1.45 * rows + 0.3, share=True) as panels:
        for panel, (text, found) in zip(panels, numbers.items(), strict=False):
            if found["watches"]:
                panel.plot(
                    [each / EVALUATIONS for each in range(EVALUATIONS)],
                    [watched(each) for each in range(EVALUATIONS)],
                    color=drawing.MUTED,
                    linewidth=1,
                )
                panel.text(0.44, 0.52, "validation loss", color=drawing.MUTED, fontsize=8)
            panel.plot(x, found["multiplier"], color=drawing.ACCENT, linewidth=2)
            panel.set(ylim=(0, 1.08), xlim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
            panel.set_xticklabels(["0", "½", "1"])
            panel.set_title(text.replace(" * ", "\n   * "), fontsize=8.5)


def tell(numbers: dict[str, Any]) -> str:
    """The section."""
    return (
        "## Schedules\n\n"
        + words.shown(
            "schedules",
            "What each schedule multiplies the learning rate with, from the start of a training to its end: "
            + ", ".join(SCHEDULES)
            + f", and {len(PRODUCTS)} products",
            "Left to right is the training, up is what the learning rate is multiplied with. The last panels are products: "
            "any two schedules can be multiplied, written as they are here. Plateau watches the validation loss (grey) and "
            "waits until it has stopped falling.",
        )
        + "\nMean over the training, which is how much of the rate is used: "
        + ", ".join(f"{text} {found['mean']:.2f}" for text, found in numbers.items() if " * " not in text)
        + ".\n"
    )
