"""`leadline train SOURCE`: from data to a trained, saved, reported network."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.options import as_typed, given_changes, plan_from, source_and_changes
from leadline.cli.printing import LABEL, labelled, opening, printable

if TYPE_CHECKING:
    from leadline.runs import Run

EPOCHS = "Times to go through the training rows, at most."


@click.command("train", short_help="From data to a trained, saved, reported network.", no_args_is_help=True)
@source_and_changes
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Train as this file says, not as Leadline proposes.",
)
@click.option(
    "--folder", type=click.Path(path_type=Path), metavar="DIR", help="Where the Run goes; runs/SOURCE-N when left out."
)
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help=EPOCHS)
@click.option(
    "--mend", is_flag=True, help="Change what the diagnosis proves to be wrong, and keep that where held-out rows are better."
)
@click.option("--quiet", is_flag=True, help="Print only the folder of the Run.")
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object: the results and the folder.")
def command(
    source: str,
    given: dict[str, Any],
    plan_file: Path | None,
    folder: Path | None,
    epochs: int | None,
    mend: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train a network on SOURCE and keep everything about it in one folder, a Run.

    SOURCE is a table (one or several csv, tsv or parquet files, or a folder of them), whose rows are in time where something is
    to be forecast (--forecast STEPS), a folder of photos (one sub-folder for
    each class, or a csv file of labels beside them), an .npz or IDX file, or a name: digits, mnist, fashion-mnist, cifar10,
    iris, wine, breast-cancer, diabetes. From a text file, or from `python`, the text of its own library, a network learns to
    foretell each character or word, and so to write; with --task words each word of it gets a vector by the words around it.
    From a file of words with a tag beside each (CoNLL, CoNLL-U) one learns to tag; from files of trees in brackets (train.txt,
    dev.txt, test.txt with lines like (3 (2 good) (4 film))) the label of each node. With --task generate a network learns
    to draw pictures like those of SOURCE. Nothing needs to be configured;
    `leadline plan SOURCE` shows what would be done and why. With --from RUN what another network has learned serves these
    photos: how much of it does, and whether it should train on, is measured and said. Ctrl-C saves a checkpoint, and
    `leadline resume last` goes on from there.
    """
    if not (quiet or as_json):
        opening(f"reading {as_typed(source)}")
    from leadline import runs
    from leadline.cli.terminal import watching
    from leadline.runs.mending_runs import train_mended

    with watching(silent=quiet or as_json) as observer:
        run = (train_mended if mend else runs.train)(
            source,
            plan_from(plan_file) if plan_file else None,
            folder=folder,
            changes=with_epochs(epochs, given_changes(given)),
            observer=observer,
        )
    closing(run, quiet=quiet, as_json=as_json)


def with_epochs(epochs: int | None, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes with the number of epochs that was asked for; `--set` has the last word.

    Example:
        >>> with_epochs(2, {"training.batch": 8}), with_epochs(None, {})
        ({'training.epochs': 2, 'training.batch': 8}, {})
    """
    return changes if epochs is None else {"training.epochs": epochs, **changes}


def closing(run: Run, *, quiet: bool, as_json: bool) -> None:
    """The last lines of a training: where everything is, and what to type next."""
    if as_json:
        click.echo(json.dumps({"folder": str(run.folder), **run.results}))
    elif quiet:
        click.echo(run.folder)
    else:
        click.echo(labelled("saved", f"{run.folder} (to look at: {run.folder / 'report.html'})"))
        # Not wrapped, so that it can be copied whole.
        verb = {"tokens": "write", "ngram": "write", "words": "similar", "generate": "generate"}.get(run.schema.task, "predict")
        click.echo(f"{'next':<{LABEL}}leadline {verb} {printable(shlex.quote(str(run.folder)))} {_inputs_of(run)}")


def _inputs_of(run: Run) -> str:
    """What to give the verb that comes next: of a forecast the files that were trained on, at whose end it begins."""
    if run.schema.task == "forecast":
        source = run.plan.data.source
        return printable(shlex.join(source.split("\n"))) if source != "arrays" else "FILE"
    if run.schema.task == "sequence" and run.schema.inputs.kind == "sentences":
        return '"A sentence"'
    return {
        "pairs": "PHOTO… --out FOLDER",
        "tokens": '"A beginning"',
        "ngram": '"A beginning"',
        "trees": '"(TREE)"',
        "generate": "--number 64 --out sheet.png",
        "words": printable(shlex.quote(str(run.results.get("example", "WORD")))),
    }.get(run.schema.task, "INPUT…")
