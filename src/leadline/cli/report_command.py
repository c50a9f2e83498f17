"""`leadline report RUN`: write the report again from what the folder of the Run holds."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report", short_help="Write the report of a training again.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write here; report.html in the Run when left out."
)
def command(run: str, output: Path | None) -> None:
    """Write the report of RUN (a folder, or `last`) as one HTML file, and print where it is."""
    from leadline import runs

    click.echo(runs.open(run).report(output))
