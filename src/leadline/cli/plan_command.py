"""`leadline plan SOURCE`: what would be done and why, as TOML to be edited and given back."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from leadline.cli.options import given_changes, source_and_changes
from leadline.cli.printing import labelled


@click.command("plan", short_help="What would be done with the data, and why.", no_args_is_help=True)
@source_and_changes
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to this new file instead.")
def command(
    source: str,
    given: dict[str, Any],
    output: Path | None,
) -> None:
    """Print the plan for SOURCE as TOML, each choice with its reason.

    Edit it and give it back: `leadline train SOURCE --plan plan.toml`.
    """
    from leadline.errors import RunExistsError
    from leadline.files import write_text
    from leadline.plan import Plan, propose
    from leadline.runs.reloading import load_for

    if output is not None and output.exists():
        raise RunExistsError(f"{output} exists already", do="Choose another name, or remove it first.")
    changes = given_changes(given)
    of_data = {key: value for key, value in changes.items() if key.startswith("data.")}
    dataset = load_for(Plan().but(of_data), source)
    text = propose(dataset, changes).to_toml()
    for note in dataset.notes:
        click.echo(labelled("note", note), err=True)
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        write_text(output, text)
        click.echo(f"leadline train {shlex.join(source.splitlines())} --plan {shlex.quote(str(output))}")
