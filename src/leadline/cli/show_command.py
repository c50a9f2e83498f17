"""`leadline show`: what a network or a training is, shown in one way or another."""

from __future__ import annotations

import importlib

import click

from leadline.errors import nearest

_PARTS = ("summary", "script", "augmentation")


class _Parts(click.Group):
    """A group that imports the file of a part when the part is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _PARTS:
            close = nearest(cmd_name, _PARTS)
            raise click.UsageError(f"There is no {cmd_name!r} to show." + (f" Did you mean {close!r}?" if close else ""), ctx)
        command: click.Command = importlib.import_module(f"leadline.cli.show_{cmd_name}").command
        return command


@click.group("show", cls=_Parts, short_help="A network's layers, a training as a script, pictures before and after.")
def command() -> None:
    """Show what a network is made of, its training as a script, or what augmentation makes of pictures."""
