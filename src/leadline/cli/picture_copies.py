"""Copies among the pictures of a folder, as `leadline similar --duplicates` prints them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leadline.cli.printing import labelled, paragraph

if TYPE_CHECKING:
    from leadline.data.dataset import Excluded

_NAMED = 5


def tell_copies(among: Path, *, as_json: bool) -> None:
    """Print the groups of pictures of a folder that are copies or near-copies of each other.

    Args:
        among: the folder, at any depth.
        as_json: one JSON object a line.

    Errors: what `explain.duplicate_pictures.duplicate_groups` raises.
    """
    from leadline.cli.terminal import watching
    from leadline.explain.duplicate_pictures import duplicate_groups

    with watching(silent=as_json) as observer:
        found = duplicate_groups(among, progress=observer.reading)
    tell_excluded(found.excluded)
    if as_json:
        for group in found.groups:
            click.echo(json.dumps({"group": [str(among / name) for name in group]}))
        return
    for number, group in enumerate(found.groups, 1):
        click.echo(labelled(f"group {number}", ", ".join(group)))
    more = sum(map(len, found.groups)) - len(found.groups)
    said = f"{len(found.groups):,} group{'s' if len(found.groups) > 1 else ''}, {more:,} of {found.count:,} pictures "
    said += "are copies or near-copies of others" if more > 1 else "is a copy or near-copy of another"
    if not found.groups:
        said = f"none among {found.count:,} pictures"
    click.echo(labelled("copies", said + ("" if found.exhaustive else " (searched by neighbourhoods, a few may be missed)")))


def tell_excluded(excluded: Sequence[Excluded]) -> None:
    """Say on standard error which pictures could not be read, the first five by name.

    Args:
        excluded: of a folder.
    """
    if excluded:
        shown = "; ".join(f"{row.id} ({row.reason.rstrip('.')})" for row in excluded[:_NAMED])
        more = f"; and {len(excluded) - _NAMED:,} more" if len(excluded) > _NAMED else ""
        said = (
            f"{len(excluded):,} pictures could not be read and are"
            if len(excluded) > 1
            else "1 picture could not be read and is"
        )
        click.echo(paragraph(f"{said} left out: {shown}{more}."), err=True)
