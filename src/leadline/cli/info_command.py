"""`leadline info`: what a bug report needs."""

from __future__ import annotations

import json

import click

from leadline.cli.printing import labelled


@click.command("info", short_help="What a bug report needs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Print versions, machine, devices and folders: what a bug report needs."""
    from leadline.cli import machine

    if as_json:
        click.echo(json.dumps(dict(machine.facts())))
    else:
        for label, text in machine.facts():
            click.echo(labelled(label, text))
