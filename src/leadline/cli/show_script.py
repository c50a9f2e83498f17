"""`leadline show script RUN_OR_PLAN`: the same training as one file of plain PyTorch."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from leadline.cli.printing import labelled


@click.command("script", short_help="The same training as a file of plain PyTorch.", no_args_is_help=True)
@click.argument("run_or_plan", metavar="RUN_OR_PLAN")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.py",
    help="The file to write; named after the Run or the data, here, when left out.",
)
def command(run_or_plan: str, output: Path | None) -> None:
    """Write a training as one short file that needs torch, numpy and safetensors, and no Leadline.

    RUN_OR_PLAN is the folder of a Run, `last`, or a plan: TOML or plan.json. Run on the same machine, the file gives the same
    weights to the bit, and saves them as model.safetensors. The rows that it learns from stand beside it, as numbers, in
    FILE.safetensors.
    """
    from leadline.cli.options import plan_from
    from leadline.errors import ArgumentError
    from leadline.runs.scripting import script_plan, script_run

    if output is not None and output.suffix != ".py":
        raise ArgumentError("The output is not a Python file", expected="a name that ends in .py", got=str(output))
    given = Path(run_or_plan)
    is_plan = given.is_file() or given.suffix in (".toml", ".json")
    written = script_plan(plan_from(given), output) if is_plan else script_run(run_or_plan, output)
    if written.note:
        click.echo(labelled("note", written.note), err=True)
    lines = len(written.script.read_text(encoding="utf-8").splitlines())
    click.echo(labelled("script", f"{written.script}, {lines} lines"), err=True)
    size = written.arrays.stat().st_size
    told = f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
    click.echo(labelled("data", f"{written.arrays}, {told}"), err=True)
    click.echo(f"python {shlex.quote(str(written.script))}")
