"""The command line: one file for each verb, and what turns an error into one paragraph and an exit status.

Nothing heavy is imported before a verb needs it, so that `leadline --help` answers at once and the first line of a long job
stands there before torch is loaded.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from leadline import __version__
from leadline.cli.printing import paragraph
from leadline.errors import Interrupted, LeadlineError, nearest

__all__ = ["main"]

_VERBS = (
    "train",
    "plan",
    "resume",
    "predict",
    "write",
    "generate",
    "evaluate",
    "similar",
    "explain",
    "diagnose",
    "report",
    "show",
    "gradcheck",
    "info",
)
_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Verbs(click.Group):
    """A group that imports the file of a verb when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            close = nearest(cmd_name, _VERBS)
            raise click.UsageError(f"There is no verb {cmd_name!r}." + (f" Did you mean {close!r}?" if close else ""), ctx)
        command: click.Command = importlib.import_module(f"leadline.cli.{cmd_name}_command").command
        return command


@click.group("leadline", cls=_Verbs, context_settings=_HELP)
@click.version_option(__version__, message="leadline %(version)s")
def verbs() -> None:
    """Train deep networks on your own data, and learn why it went as it did.

    \b
    leadline train digits            the pictures of digits that come with it
    leadline train flowers/          a folder with one sub-folder for each class
    leadline predict last rose.jpg   what the network trained last makes of a photo
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with 0, 1 (the training failed), 2 (a person's mistake) or 130 (interrupted).

    Args:
        arguments: the words after `leadline`; those of the process when None.

    Example:
        >>> import contextlib
        >>> with contextlib.suppress(SystemExit):
        ...     main(["--version"])
        leadline ...
    """
    _speak_any_name()
    try:
        with verbs.make_context("leadline", list(sys.argv[1:] if arguments is None else arguments)) as context:
            verbs.invoke(context)
        sys.stdout.flush()
        status = 0
    except click.exceptions.Exit as left:
        status = left.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except LeadlineError as error:
        click.echo(paragraph(str(error) if isinstance(error, Interrupted) else f"Error: {error}"), err=True)
        status = error.exit_status
    except PermissionError as error:
        click.echo(paragraph(f"Error: You may not read or write {error.filename or 'a file that is needed'}."), err=True)
        status = 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted.", err=True)
        status = 130
    except BrokenPipeError:
        # The reader (`head`, a pager) has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception:
        traceback.print_exc()
        click.echo(
            paragraph("This is a bug in Leadline. Please report it with the lines above and what `leadline info` prints."),
            err=True,
        )
        status = 1
    sys.exit(status)


def _speak_any_name() -> None:
    """File names that are not text pass through unharmed, and a terminal without UTF-8 gets `?` instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="surrogateescape" if (stream.encoding or "").lower() in ("utf-8", "utf8") else "replace")
