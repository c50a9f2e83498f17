"""What a person is told of near-copies in the splits of their pictures, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from leadline import files
from leadline.data.caching import cache_folder
from leadline.data.dataset import Split
from leadline.data.pictures.near_copies import NearCopies, Thumbnails, find_near_copies

_FORMAT = 1  # of the search; another one looks again
_SHOWN = 3
_LETTERS = 60  # of an id
_WHERE = (("test", "train"), ("valid", "train"), ("test", "valid"), ("train", "train"))
_MOST = 10_000  # pictures of a split that are looked at, in some seconds: more would keep a short training waiting


def about_near_copies(parts: Mapping[str, Split], *, key: str | None = None, cache: Path | str | None = None) -> list[str]:
    """Sentences on pictures that are nearly the same as others: of test and valid in train, of test in valid, and within train.

    Args:
        parts: "train", "valid" and "test". Those whose inputs are no pictures [N, H, W, C] have nothing to tell.
        key: of the content, such as `dataset.fingerprint()`; what was found for it is kept and not looked for again.
        cache: where; by default LEADLINE_CACHE or the user's cache folder.

    Example:
        >>> import numpy as np
        >>> shades = np.random.default_rng(0).integers(0, 255, (60, 32, 32, 1), dtype=np.uint8)
        >>> shades[50] = shades[7, :, ::-1]
        >>> whole = Split(shades, np.zeros(60), [f"{row}.png" for row in range(60)])
        >>> rows = {"train": np.arange(40), "valid": np.arange(40, 50), "test": np.arange(50, 60)}
        >>> print(*about_near_copies({part: whole.take(each) for part, each in rows.items()}))
        1 of 10 test pictures is nearly the same as one in train (resized, recompressed, brightened, cropped or mirrored):
        50.png ~ 7.png. Scores on copies of what was learned are too good: remove them, or keep them in one split.
    """
    if any(getattr(split.inputs, "ndim", 0) != 4 for split in parts.values()):
        return []
    kept = None if key is None else cache_folder(cache) / "near-copies" / f"{key}-{_FORMAT}.json"
    if kept is not None and (known := _read(kept)) is not None:
        return known
    notes = _looked_for(parts)
    if kept is not None:
        with suppress(OSError):  # where nothing can be kept, it is looked for again
            kept.parent.mkdir(parents=True, exist_ok=True)
            files.write_json(kept, notes)
    return notes


def _looked_for(parts: Mapping[str, Split]) -> list[str]:
    small = {part: Thumbnails.of(split.array[:_MOST]) for part, split in parts.items()}
    notes, exhaustive = [], True
    for asked, among in _WHERE:
        if asked not in small or among not in small:
            continue
        found = find_near_copies(small[asked], None if asked == among else small[among])
        exhaustive = exhaustive and found.exhaustive
        if len(found):
            notes.append(_sentence(found, asked, among, parts))
    if not exhaustive and notes:
        notes[-1] += " With so many pictures the search is by neighbourhoods, so a few may be missed."
    if notes and (most := max(map(len, parts.values()))) > _MOST:
        notes.append(f"Near-copies were looked for among {_MOST:,} of {most:,} pictures.")
    return notes


def _read(path: Path) -> list[str] | None:
    try:
        notes = files.read_json(path)
    except (OSError, ValueError):
        return None
    return notes if isinstance(notes, list) and all(isinstance(note, str) for note in notes) else None


def _sentence(found: NearCopies, asked: str, among: str, parts: Mapping[str, Split]) -> str:
    order = (-found.similarity).argsort(kind="stable")
    pairs = [(parts[asked].ids[found.rows[at]], parts[among].ids[found.others[at]]) for at in order[:_SHOWN].tolist()]
    shown = ", ".join(f"{_short(one)} ~ {_short(other)}" for one, other in pairs) + (", …" if len(found) > _SHOWN else "")
    count, total, one = len(found), len(parts[asked]), len(found) == 1
    where = "another of train" if one else "others of train"
    if asked != among:
        where = f"one in {among}" if one else f"some in {among}"
    said = f"{count:,} of {total:,} {asked} pictures {'is' if one else 'are'} nearly the same as {where}"
    said += f" (resized, recompressed, brightened, cropped or mirrored): {shown}."
    if asked == among:
        return said
    return said + " Scores on copies of what was learned are too good: remove them, or keep them in one split."


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else "…" + name[1 - _LETTERS :]
