"""What a person gives a network to answer, where it holds several inputs: a file of series, a table of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leadline.data.input_files import FoundInputs, inputs_in, spread, texts_in
from leadline.data.schema import Schema
from leadline.data.sources import Reading, frame_of
from leadline.data.tables.arrow_frames import is_data_frame
from leadline.data.tables.table_files import is_table
from leadline.data.texts.texts import Texts


def several_in(inputs: Any, schema: Schema) -> FoundInputs | None:
    """All that stands in files of several inputs: .ts, wide files, tables of texts, data frames; None where there is none.

    After a training on texts a text is a text, unless it is the name of a table that is there.

    Args:
        inputs: as `Run.predict` takes them.
        schema: of the network.

    Errors: as `data.input_files.inputs_in`.

    Example:
        >>> from leadline.data.answers import Classes
        >>> several_in("a text", Schema(Texts(("", "<unk>"), 9), Classes(("a", "b")))) is None
        True
    """
    if schema.inputs.kind not in ("texts", "series"):
        return None
    if isinstance(inputs, (str, Path)):
        path = _path_of(inputs, schema)
        return None if path is None else inputs_in(path, schema)
    if isinstance(schema.inputs, Texts) and is_data_frame(inputs):
        frame = frame_of(inputs, Reading())
        return None if frame is None else texts_in(frame, schema.inputs)
    if not isinstance(inputs, (list, tuple)) or not any(isinstance(each, (str, Path)) for each in inputs):
        return None
    return spread([_path_of(each, schema) or each for each in inputs], schema)


def is_folder(inputs: str | Path) -> bool:
    """Whether an input is a folder; a text may be too long for a name.

    Args:
        inputs: a text or a path.

    Example:
        >>> is_folder("."), is_folder("a long text " * 100_000)
        (True, False)
    """
    try:
        return Path(inputs).is_dir()
    except (OSError, ValueError):  # ValueError: a text with a NUL in it
        return False


def _path_of(raw: Any, schema: Schema) -> Path | None:
    """What is meant as a path; of texts only the name of a table that is there."""
    if isinstance(raw, Path) or not isinstance(raw, str):
        return raw if isinstance(raw, Path) else None
    if not isinstance(schema.inputs, Texts):
        return Path(raw)
    try:
        return Path(raw) if is_table(Path(raw)) and Path(raw).is_file() else None
    except (OSError, ValueError):
        return None
