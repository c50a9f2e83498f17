"""What the section about trees shows: some trees, drawn, with what the network says of every node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

from leadline.report.wording import as_answer, as_sureness, is_finite, shortened

Record = dict[str, Any]
View = dict[str, Any]

_STEP, _RADIUS, _LETTER, _GAP, _LEAST = 34, 11, 7.2, 10, 30  # pixels: between levels, of a node, of a letter, between words
_EDGE = 16  # pixels around the drawing
_LONGEST = 20  # letters of a word
_BELOW, _ABOVE = "#c2571a", "#1f6fb2"  # of the middle of a scale
_MOST = 12  # trees


def trees_view(examples: Record) -> View | None:
    """Some trees as drawings, right and wrong ones apart; None without any.

    Args:
        examples: of the record; "trees" holds "names" of the labels, "middle" and "drawn", which has for each tree its "words",
            "distances", "said", "sure" and "truth".

    Example:
        >>> trees_view({}) is None
        True
    """
    record = examples.get("trees") or {}
    drawn = drawn_view(record, most=_MOST)
    groups = [
        {"title": title, "trees": chosen}
        for title, is_right in (("Where its root is right", True), ("Where its root is wrong, and it was sure", False))
        if (chosen := [tree for tree in drawn if tree["right"] is is_right])
    ]
    return {"groups": groups, "scale": scale_sentence(record)} if groups else None


def drawn_view(record: Record, *, most: int | None = None) -> list[View]:
    """Each tree as a drawing with what stands below it; what is no tree is left out.

    Args:
        record: with "names", "middle" and "drawn".
        most: so many of the trees alone.
    """
    names, middle = _labels(record)
    views: list[View] = []
    for tree in (record.get("drawn") or ())[:most]:
        svg = draw_tree(tree, names, middle)
        if svg is not None:
            truth = tree["truth"][-1]
            views.append(
                {
                    "id": str(tree.get("id", "")),
                    "svg": svg,
                    "answer": as_answer(names[tree["said"][-1]]),
                    "truth": as_answer(names[truth]) if truth is not None else None,
                    "sure": as_sureness(tree["sure"][-1]),
                    "right": truth is None or truth == tree["said"][-1],
                }
            )
    return views


def scale_sentence(record: Record) -> str:
    """What the colors mean; nothing where labels are no scale with a middle.

    Args:
        record: with "names" and "middle".

    Example:
        >>> scale_sentence({"names": ["0", "1", "2"], "middle": 1})
        'Orange is below 1, blue above it; the stronger, the farther.'
    """
    names, middle = _labels(record)
    return "" if middle is None else f"Orange is below {names[middle]}, blue above it; the stronger, the farther."


def draw_tree(tree: Record, names: Sequence[str], middle: int | None = None) -> Markup | None:
    """A tree as SVG: its words on a line, above them every node with its label; None for what is no tree.

    A node whose label is not the true one has a dashed ring, and its true label beside it. On a scale with a middle the color
    says on which side of it a node is, and how far.

    Args:
        tree: "words" (None for a node with children), "distances" to the parents, and "said", "sure" and "truth" of each node.
        names: of the labels.
        middle: the number of the label in the middle.

    Example:
        >>> tree = {"words": ["good", "film", None], "distances": [2, 1, 0], "said": [1, 0, 1], "sure": [1, 1, 1]}
        >>> svg = draw_tree(tree | {"truth": [1, 1, 1]}, ["0", "1"])
        >>> svg.count("<circle"), svg.count("stroke-dasharray")
        (3, 1)
    """
    words, distances = list(tree.get("words") or ()), [int(each) for each in tree.get("distances") or ()]
    said, truth, sure = (list(tree.get(key) or ()) for key in ("said", "truth", "sure"))
    count = len(distances)
    if not count or not all(len(each) == count for each in (words, said, truth, sure)):
        return None
    if distances[-1] or any(not 0 < each < count - at for at, each in enumerate(distances[:-1])):
        return None
    x, heights, width = _places(words, distances)
    high = (max(heights) + 1) * _STEP + 2 * _EDGE + 18
    base = high - _EDGE - 18
    y = [base - height * _STEP - _RADIUS for height in heights]
    parts: list[Markup] = []
    for at, distance in enumerate(distances):
        if distance:
            # Up and then across: what is below one node has its own part of the width, so that no lines ever cross.
            corner = (x[at], y[at], y[at + distance], x[at + distance])
            parts.append(Markup('<path d="M{:.1f} {:.1f}V{:.1f}H{:.1f}" class="branch"/>').format(*corner))
    for at, word in enumerate(words):
        parts.append(_node(x[at], y[at], said[at], truth[at], sure[at], names, middle))
        if word is not None:
            text = Markup('<text x="{:.1f}" y="{:.1f}">{}</text>')
            parts.append(text.format(x[at], base + 16, _shown(str(word))))
    sentence = " ".join(str(word) for word in words if word is not None)
    label = f"The tree of “{shortened(sentence)}”, at its root {names[said[-1]]}"
    return Markup('<svg role="img" aria-label="{}" viewBox="0 0 {:.0f} {:.0f}" style="width:{:.0f}px">{}</svg>').format(
        escape(label), width, high, width, Markup("").join(parts)
    )


def _places(words: Sequence[str | None], distances: Sequence[int]) -> tuple[list[float], list[int], float]:
    """Where each node stands from the left, how many levels it is up, and how wide the drawing is."""
    count = len(distances)
    x, heights = [0.0] * count, [0] * count
    ends: list[tuple[float, float] | None] = [None] * count
    right = float(_EDGE)
    for at, distance in enumerate(distances):
        own = ends[at]
        if own is None:
            wide = max(_LEAST, len(_shown(str(words[at] or ""))) * _LETTER + _GAP)
            x[at], right = right + wide / 2, right + wide
        else:
            x[at] = (own[0] + own[1]) / 2
        if distance:
            above = ends[at + distance]
            ends[at + distance] = (x[at] if above is None else above[0], x[at])
            heights[at + distance] = max(heights[at + distance], heights[at] + 1)
    return x, heights, right + _EDGE


def _node(x: float, y: float, said: int, truth: int | None, sure: float, names: Sequence[str], middle: int | None) -> Markup:
    """One node: its color, its label, and where it is wrong a dashed ring and the true label."""
    name, wide = names[said], max(_RADIUS, len(names[said]) * 3.2 + 4)
    wrong = truth is not None and truth != said
    told = f"{name}, {as_sureness(sure)}" + (f"; truly {names[truth]}" if wrong and truth is not None else "")
    parts = [Markup("<g><title>{}</title>").format(told)]
    ring = 'stroke-width="1.6" stroke-dasharray="3 2"' if wrong else 'stroke-opacity=".45"'
    parts.append(_shape(x, y, wide, f'class="node" {ring}'))
    if middle is not None and said != middle:
        reach = max(middle, len(names) - 1 - middle)
        strength = 0.25 + 0.4 * (abs(said - middle) - 1) / max(1, reach - 1)
        color = _ABOVE if said > middle else _BELOW
        parts.append(_shape(x, y, wide, f'fill="{color}" fill-opacity="{strength:.2f}"'))
    parts.append(Markup('<text x="{:.1f}" y="{:.1f}" class="label">{}</text>').format(x, y + 4, name))
    if wrong and truth is not None:
        parts.append(Markup('<text x="{:.1f}" y="{:.1f}" class="truth">{}</text>').format(x + wide + 2, y - 5, names[truth]))
    return Markup("").join([*parts, Markup("</g>")])


def _shape(x: float, y: float, wide: float, style: str) -> Markup:
    """A circle, or a longer round one where a label is long; the style is this module's own."""
    if wide == _RADIUS:
        return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" {}/>').format(x, y, _RADIUS, Markup(style))
    box = (x - wide, y - _RADIUS, 2 * wide, 2 * _RADIUS)
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}" rx="{}" {}/>').format(*box, _RADIUS, Markup(style))


def _labels(record: Record) -> tuple[list[str], int | None]:
    """The names of the labels, and the number of the middle one."""
    middle = record.get("middle")
    return [str(name) for name in record.get("names") or ()], int(middle) if is_finite(middle) else None


def _shown(word: str) -> str:
    clean = "".join(letter if letter.isprintable() else "▢" for letter in word)
    return clean if len(clean) <= _LONGEST else clean[: _LONGEST - 1] + "…"
