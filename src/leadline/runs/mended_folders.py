"""The files of a better Run in the place of those of another, whose whole copy stays below it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from leadline import files
from leadline.runs import folder as folders

BEFORE = "before_mending"
"""Where the Run as it was before lies: a whole Run, to be opened as any other; after it, `before_mending_2` and so on."""
_APART = ("checkpoint", folders.ANEW, ".lock")  # of a folder, that belong to no one network


def take_place(path: Path, better: Path) -> None:
    """Put the files of the better Run in the place of the old ones, of which a whole copy is made first.

    Killed in between, whoever opens it next puts the old ones back (`folder.locate`).
    """
    record, before = folders.read_record(better), _copy_before(path)
    folders.write_record(path, folders.MENDING, before=before.name)
    try:
        for file in sorted(better.iterdir()):
            if file.is_file() and file.name != "run.json" and not _apart(file.name):
                folders.copy_file(file, path / file.name)
            elif file.is_dir() and not _apart(file.name):
                shutil.copytree(file, path / file.name, dirs_exist_ok=True)
        _rename_within(path, better)
        # Its name and when it was made stay; all that tells of the network is the new one's.
        own = {key: value for key, value in record.items() if key not in ("created", "name", "format", "leadline", "status")}
        own["mended"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        folders.write_record(path, "finished", **own)
    except BaseException:  # a full disk, or Ctrl-C
        folders.undo_mending(path)
        raise


def _apart(name: str) -> bool:
    return name in _APART or name.startswith(BEFORE)


def _rename_within(path: Path, better: Path) -> None:
    """Advice on what to type names the folder."""
    if (path / "results.json").exists():
        results = files.read_json(path / "results.json")
        results["next"] = [str(line).replace(str(better), str(path)) for line in results.get("next", [])]
        files.write_json(path / "results.json", results)


def _copy_before(path: Path) -> Path:
    aside = path / f"{BEFORE}.part"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(path, aside, ignore=lambda _, names: [name for name in names if _apart(name)])
    place, number = path / BEFORE, 1
    while place.exists():  # mended before: that copy stays
        number += 1
        place = path / f"{BEFORE}_{number}"
    aside.rename(place)
    return place
