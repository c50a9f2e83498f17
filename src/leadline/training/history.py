"""History: one plain record per log point, kept in memory and, if there is a file, appended to it as a line of JSON."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from leadline import files

Record = dict[str, Any]


class History:
    """What was logged while training.

    A record holds `step`, `epoch` (how many are done, with a fraction within one), `seconds` since the start, `rate`, and the
    training `loss` with whatever else the step returns: within an epoch since the last record, at its end over all of it. The
    end of an epoch adds `valid_…` and whether it is the `best` so far.

    Example:
        >>> history = History()
        >>> history.append({"step": 10, "epoch": 1.0, "loss": 0.5})
        >>> history["loss"], len(history)
        ([0.5], 1)
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.records: list[Record] = []
        self.stopped = ""
        self.notes: list[str] = []
        self.diagnosis: Callable[[], Sequence[Any]] | None = None

    @cached_property
    def findings(self) -> Sequence[Any]:
        """What is wrong with the training, a `diagnose.Verdict`, where a probe listened; made when first asked for."""
        return self.diagnosis() if self.diagnosis is not None else ()

    @classmethod
    def read(cls, path: Path) -> History:
        """The history in a file; a last line cut short by a kill is left out."""
        history = cls(path)
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                history.records.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return history

    def append(self, record: Record) -> None:
        self.records.append(record)
        if self.path is not None:
            with files.storage(self.path), self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def cut(self, count: int) -> None:
        """Forget all but the first `count` records, in the file too."""
        del self.records[count:]
        if self.path is not None:
            files.write_text(self.path, "".join(json.dumps(record) + "\n" for record in self.records))

    def sync(self) -> None:
        """Make sure that what was appended is on the disk."""
        if self.path is not None and self.path.exists():
            with files.storage(self.path), self.path.open("r+b") as file:  # Windows syncs only what may be written
                os.fsync(file.fileno())

    def __getitem__(self, name: str) -> list[Any]:
        """The values of one column, over the records that have it."""
        return [record[name] for record in self.records if name in record]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __repr__(self) -> str:
        if not self.records:
            return "History(no records)"
        last = ", ".join(f"{name} {value:.4g}" for name, value in self.records[-1].items() if isinstance(value, float))
        return f"History({len(self)} records; last: {last})"

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for record in self.records for name in record))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        rows = "".join(
            "<tr>" + "".join(f"<td>{_cell(record.get(name))}</td>" for name in names) + "</tr>" for record in self.records
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else html.escape(str(value))
