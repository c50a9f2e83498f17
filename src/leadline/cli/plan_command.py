"""`leadline plan SOURCE`: what would be done and why, as TOML to be edited and given back."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from leadline.cli.options import given_changes, plan_from, source_and_changes
from leadline.cli.printing import labelled
from leadline.cli.train_command import EPOCHS, with_epochs


@click.command("plan", short_help="What would be done with the data, and why.", no_args_is_help=True)
@source_and_changes
@click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path), metavar="FILE", help="Complete this plan, do not propose one."
)
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help=EPOCHS)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to this new file instead.")
def command(
    source: str,
    given: dict[str, Any],
    plan_file: Path | None,
    epochs: int | None,
    output: Path | None,
) -> None:
    """Print the plan for SOURCE as TOML, each choice with its reason.

    Edit it and give it back: `leadline train SOURCE --plan plan.toml`. With --plan here, it is shown as it would be trained:
    with the choices that the file leaves out proposed for SOURCE.
    """
    from leadline.errors import RunExistsError
    from leadline.files import write_text
    from leadline.plan.notes import plan_notes
    from leadline.runs.observer import Observer
    from leadline.runs.planning import known_early, planned
    from leadline.runs.reloading import load_for, load_to_propose

    if output is not None and output.exists():
        raise RunExistsError(f"{output} exists already", do="Choose another name, or remove it first.")
    changes = with_epochs(epochs, given_changes(given))
    plan = plan_from(plan_file) if plan_file is not None else None

    class Noting(Observer):
        def note(self, label: str, text: str) -> None:
            click.echo(labelled(label, text), err=True)

    known = known_early(plan, changes)
    observer = Noting()
    dataset = load_to_propose(known, changes, source, observer=observer) if plan is None else load_for(known, source)
    whole = planned(known, dataset, changes, proposed=plan is None, observer=observer)
    text = whole.to_toml()
    for note in [*dataset.notes, *plan_notes(whole, dataset.schema)]:
        click.echo(labelled("note", note), err=True)
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        write_text(output, text)
        click.echo(f"leadline train {shlex.join(source.splitlines())} --plan {shlex.quote(str(output))}")
