"""What the section about enlarged pictures shows: the small picture, bicubic, the network's, and the original, side by side."""

from __future__ import annotations

from typing import Any

from leadline.report.data_sections import picture_view
from leadline.report.wording import as_score, is_finite

Record = dict[str, Any]
View = dict[str, Any]

PICTURE_BYTES = 2_500_000  # of a page that is to stay below 5 MB
COLUMNS = ("low", "bicubic", "ours", "original")


def pairs_view(results: Record, examples: Record) -> View | None:
    """The windows of some photos, from the largest gain to the smallest, and a sentence on all photos; None without any.

    Example:
        >>> pairs_view({}, {}) is None
        True
    """
    rows, budget = [], [PICTURE_BYTES]
    for example in examples.get("enlarged") or ():
        shown = {name: view["source"] for name in COLUMNS if (view := picture_view(example.get(name), budget))}
        if len(shown) < len(COLUMNS):
            continue
        scores = {name: as_score("psnr", example.get(name)) for name in ("bicubic_psnr", "psnr")}
        rows.append({**shown, "id": str(example.get("id", "")), "theirs": scores["bicubic_psnr"], "ours_psnr": scores["psnr"]})
    if not rows:
        return None
    return {"rows": rows, "sentence": _sentence(results), "upscale": int(results.get("upscale") or 0)}


def _sentence(results: Record) -> str:
    """On how many photos the network is better than bicubic."""
    gains = [
        photo["psnr"] - photo["bicubic_psnr"]
        for photo in results.get("photos") or ()
        if is_finite(photo.get("psnr")) and is_finite(photo.get("bicubic_psnr"))
    ]
    if not gains:
        return ""
    better = sum(gain > 0 for gain in gains)
    many = f"all {len(gains):,}" if better == len(gains) > 1 else f"{better:,} of {len(gains):,}"
    ends = f"by {min(gains):+.2f} to {max(gains):+.2f} dB".replace("-", "−")
    return f"The network is nearer to the original than bicubic enlargement on {many} test photos, {ends}."
