"""`leadline resume RUN`: go on with an interrupted training."""

from __future__ import annotations

import click

from leadline.cli.printing import opening
from leadline.cli.train_command import closing


@click.command("resume", short_help="Go on with an interrupted training.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.option("--anyway", is_flag=True, help="Also where the training failed and would probably fail again.")
@click.option("--quiet", is_flag=True, help="Print only the folder of the Run.")
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object: the results and the folder.")
def command(run: str, anyway: bool, quiet: bool, as_json: bool) -> None:
    """Go on with the interrupted training in RUN (a folder, or `last`) as if it had never stopped.

    The result is the same to the bit as that of an uninterrupted training on the same machine. For that very reason a training
    that failed by itself, for instance because its loss became no number, is not gone on with: it is said what to change.
    """
    if not (quiet or as_json):
        opening(f"resuming {run}")
    from leadline import runs
    from leadline.cli.terminal import watching

    with watching(silent=quiet or as_json) as observer:
        finished = runs.resume(run, anyway=anyway, observer=observer)
    closing(finished, quiet=quiet, as_json=as_json)
