"""What was found in texts and series, as pictures and as one page of a person's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leadline import files
from leadline.data.answers import Numbers
from leadline.errors import RunExistsError
from leadline.explain.colored_text import text_png
from leadline.explain.stretch_drawing import stretches_png
from leadline.report.deciding_page import MADE_BY, explained_page
from leadline.runs.explaining_series import SeenSeries
from leadline.runs.explaining_texts import SeenText
from leadline.runs.run import Run

_MOST = 3000  # words or characters that a picture has room for


def seen_picture(run: Run, seen: SeenText | SeenSeries) -> bytes:
    """The coloured text, or the series over the colours of what its stretches are worth, as PNG.

    Args:
        run: whose network was asked.
        seen: of one input.
    """
    said = [_for(name, value, seen) for name, value in zip(seen.classes, seen.values, strict=True)]
    if isinstance(seen, SeenText):
        pieces, gaps = seen.pieces[:_MOST], seen.gaps[:_MOST]
        return text_png(pieces, seen.worth[:, :_MOST].T, names=said, between=gaps, heading=seen.id)
    # By channel where there are several and not too many: which of them counts, and when.
    worth = seen.apart[0] if seen.apart.shape[2] > 1 else seen.worth[0]
    what = "the answer" if isinstance(run.schema.answers, Numbers) else seen.classes[0]
    note = (
        f"Orange: with the stretch covered {what} is {'lower' if what == 'the answer' else 'less likely'}; blue: the other way."
    )
    return stretches_png(seen.series, worth, channels=seen.channels, heading=f"{Path(seen.id).name}: {said[0]}", note=note)


def page_row(run: Run, seen: SeenText | SeenSeries) -> dict[str, Any]:
    """One input as a page shows it.

    Args:
        run: whose network was asked.
        seen: of the input.
    """
    numbers = isinstance(run.schema.answers, Numbers)
    row: dict[str, Any] = {
        "id": seen.id,
        "answer": seen.prediction.answer,
        "of": seen.classes[0],
        "probability": None if numbers else seen.values[0],
        "worth": seen.worth[0].tolist(),
    }
    if isinstance(seen, SeenText):
        return row | {"pieces": list(seen.pieces), "gaps": list(seen.gaps), "known": list(seen.known)}
    return row | {"series": seen.series.T.tolist(), "channels": list(seen.channels)}


def keep_page(path: Path, run: Run, rows: Sequence[dict[str, Any]]) -> Path:
    """Write one page, whole or not at all; its folder is made where it is missing.

    Args:
        path: of the page.
        run: whose network was asked.
        rows: as `page_row` makes them.

    Errors: `RunExistsError` when something of another origin is there; `StorageError` when the disk is full or read-only.
    """
    inputs = run.schema.inputs
    kind = "stretches" if inputs.kind == "series" else "letters" if getattr(inputs, "unit", "") == "characters" else "words"
    check_own_page(path)
    page = explained_page(run.folder.name, rows, kind=kind, odds=not isinstance(run.schema.answers, Numbers))
    files.make_folder(path.parent)
    files.write_text(path, page)
    return path


def check_own_page(path: Path) -> Path:
    """The path, if nothing is there or a page that an earlier call has written.

    Args:
        path: of a page.

    Errors: `RunExistsError` when something else is there.
    """
    if path.exists() or path.is_symlink():
        try:
            head = path.read_bytes()[:2000].decode(errors="replace")
        except OSError:
            head = ""
        if f'name="generator" content="{MADE_BY}"' not in head:
            raise RunExistsError(
                f"{path} exists already, and is not from leadline explain", do="Choose another with --out, or move it away."
            )
    return path


def _for(name: str, value: float, seen: SeenText | SeenSeries) -> str:
    return f"{name} {100 * value:.1f} %" if seen.prediction.probabilities else f"{name} {value:.5g}"
