"""`leadline show augmentation SOURCE`: training pictures before and after, and why they are changed so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.options import as_typed, given_changes, source_and_changes
from leadline.cli.printing import labelled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from leadline.data import Dataset
    from leadline.plan import Plan

_ROWS, _CELL = 10, 112  # pictures, and pixels of one's longer side


@click.command("augmentation", short_help="Pictures before and after augmentation, and why.", no_args_is_help=True)
@source_and_changes
@click.option("--epochs", type=click.IntRange(1, 20), default=8, show_default=True, help="How many epochs to show.")
@click.option(
    "--out",
    "--output",
    "output",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="The picture to write; named after the data, here, when left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(source: str, given: dict[str, Any], epochs: int, output: Path | None, as_json: bool) -> None:
    """Show what training would do to the pictures of SOURCE, and why.

    Each row is a training picture: as it is, then as each epoch shows it to the network, to the pixel. Try other choices with
    --set, for instance --set training.augment.rotate=10 or --set training.augment.cutmix=1.
    """
    from leadline.data.pictures.pictures import Pictures
    from leadline.errors import ArgumentError, RunExistsError
    from leadline.files import writing
    from leadline.plan import Plan, propose
    from leadline.runs.reloading import load_to_propose

    if output is not None and output.suffix.lower() != ".png":
        raise ArgumentError("The output is not a PNG file", expected="a name that ends in .png", got=str(output))
    if output is not None and output.exists():
        raise RunExistsError(f"{output} exists already", do="Choose another name, or remove it first.")
    changes = given_changes(given)
    of_data = {key: value for key, value in changes.items() if key.startswith("data.")}
    dataset = load_to_propose(Plan().but(of_data), changes, source)
    if not isinstance(dataset.schema.inputs, Pictures):
        raise ArgumentError(
            f"{as_typed(source)} holds no pictures, and only pictures are augmented", got=dataset.schema.inputs.describe()
        )
    plan = propose(dataset, changes)
    plan.training.augment.check(dataset.schema.inputs.shape)
    choices = augment_choices(plan)
    sheet = None
    if plan.training.augment.active:
        sheet = output or _free_name(dataset.name)
        drawn = _drawn(plan, dataset, epochs)
        with writing(sheet) as file:
            file.write(drawn)
    if as_json:
        click.echo(json.dumps({"augment": choices, "sheet": str(sheet) if sheet else None}, ensure_ascii=False))
        return
    click.echo(labelled("data", f"{len(dataset.train):,} training {dataset.schema.inputs.describe()}"), err=True)
    for choice in choices:
        why = f": {choice['why']}" if choice["why"] else ""
        click.echo(labelled("augment", f"{choice['key']} = {json.dumps(choice['value'])}{why}"), err=True)
    if sheet is None:
        told = "nothing is changed, so nothing is drawn; --set training.augment.rotate=10, for instance, changes something"
        click.echo(labelled("augment", told), err=True)
    else:
        click.echo(sheet)


def augment_choices(plan: Plan) -> list[dict[str, Any]]:
    """The choices of augmentation that change something, or that there is a reason for: key, value, why, changes."""
    from leadline.data.pictures.augment import Augment

    prefix = "training.augment."
    plain = Augment()
    rows = [{**row, "key": row["key"].removeprefix(prefix)} for row in plan.rows() if row["key"].startswith(prefix)]
    choices = [{**row, "changes": row["value"] != getattr(plain, row["key"])} for row in rows]
    return [choice for choice in choices if choice["why"] or choice["changes"]]


def _drawn(plan: Plan, dataset: Dataset, epochs: int) -> bytes:
    from leadline.data.pictures.augment_views import augmented_views, rows_of_each_class
    from leadline.explain.labelled_sheets import Cell, sheet_png
    from leadline.runs.examples import answer_words, mixture_notes

    training = plan.training
    views = augmented_views(
        dataset,
        training.augment,
        rows=rows_of_each_class(dataset, _ROWS),
        epochs=epochs,
        batch_size=training.batch,
        seed=training.seed,
    )
    settings = ", ".join(f"{row['key']} {row['value']}" for row in augment_choices(plan) if row["changes"])
    notes = [mixture_notes(dataset, view) for view in views]
    rows = [
        [Cell(_shown(shades), note) for shades, note in zip(view.shades, ["", *noted], strict=True)]
        for view, noted in zip(views, notes, strict=True)
    ]
    return sheet_png(
        rows,
        titles=[str(answer_words(dataset.schema.answers, dataset.train.targets[view.row])) for view in views],
        columns=["as it is", *(f"epoch {epoch}" for epoch in range(1, epochs + 1))],
        heading=f"{dataset.name} · {settings}",
        note=mixing_note([note for noted in notes for note in noted]),
        cell=_CELL,
    )


def mixing_note(notes: Sequence[str]) -> str:
    """What the words below a mixed picture mean, by the first example among them; empty where nothing is mixed.

    Args:
        notes: as `mixture_notes` gives them.

    Example:
        >>> mixing_note(["", "40 % cat"])[:70]
        'What stands below a picture is mixed into it: “40 % cat” means that 40'
    """
    if (first := next((note for note in notes if note), None)) is None:
        return ""
    share, _, answer = first.partition(" % ")
    return (
        f"What stands below a picture is mixed into it: “{first}” means that {share} % of what is seen comes from another "
        f"training picture, whose answer is {answer}, and that the answer to learn is mixed alike: {share} % {answer} and "
        f"{100 - int(share)} % what stands at the left. "
        "Mixup lets the other picture shine through, cutmix puts a window of it in."
    )


def _shown(shades: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """In three channels: of two the first is shown, of more than three the first three."""
    import numpy as np

    few = shades[:, :, :1] if shades.shape[2] < 3 else shades[:, :, :3]
    return np.repeat(few, 3, axis=2) if few.shape[2] == 1 else few


def _free_name(name: str) -> Path:
    """A file here that does not exist yet, named after the data."""
    stem = "-".join("".join(letter if letter.isalnum() or letter in "-_." else " " for letter in name).split()) or "pictures"
    number = 1
    while (path := Path(f"{stem}-augmentation{f'-{number}' if number > 1 else ''}.png")).exists():
        number += 1
    return path
