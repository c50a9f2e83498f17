"""A map of words: what stands in the same surroundings lies close together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from leadline.errors import ArgumentError
from leadline.explain.label_places import places_for_names
from leadline.explain.labelled_sheets import any_letters, png_of
from leadline.explain.planes import feature_plane
from leadline.text.word_vectors import WordVectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEWEST, _WORDS, _GROUPS = 12, 400, 9
_PASSED = 60  # of the commonest words, which say how a sentence is built and not what it is about
_COLORS = ("#0072b2", "#b35c00", "#007a57", "#a8407f", "#c04a00", "#2f7fb0", "#7a5010", "#5f58a8", "#444444")


def words_to_map(vectors: WordVectors, count: int = _WORDS) -> list[str]:
    """The commonest words that say something: of three letters or more where there are enough, past the very commonest.

    Args:
        vectors: of words, the commonest first.
        count: at most so many.

    Example:
        >>> words_to_map(WordVectors([".", "an", "rose", "tulip"], np.eye(4)))
        ['rose', 'tulip']
    """
    named = [word for word in vectors.words if len(word) > 2 and word.isalpha()]
    named = named or [word for word in vectors.words if word.isalnum()] or list(vectors.words)
    passed = min(_PASSED, max(0, len(named) - count))
    return named[passed : passed + count]


def word_map_png(vectors: WordVectors, *, count: int = _WORDS) -> bytes | None:
    """The map of the commonest words as PNG: principal components, then t-SNE of their directions, in colours by group.

    Each word is a dot, with its name beside it as far as there is room. Colours are groups that k-means finds among the
    directions themselves, so where the map tears neighbours apart, their colour still says that they belong together.

    Args:
        vectors: of words.
        count: how many are drawn, at most.

    Returns:
        The picture; None for fewer than 12 words, or vectors that are all alike.

    Errors: `ArgumentError` for a count below 12.

    Example:
        >>> words = [f"word{chr(97 + at)}" for at in range(20)]
        >>> word_map_png(WordVectors(words, np.random.default_rng(0).normal(size=(20, 5))))[1:4]
        b'PNG'
    """
    if count < _FEWEST:
        raise ArgumentError("A map needs words", expected=f"a count of at least {_FEWEST}", got=count)
    words = words_to_map(vectors, count)
    if len(words) < _FEWEST:
        return None
    directions = vectors.directions[[vectors.number(word) for word in words]]
    try:
        plane = feature_plane(directions, rows=len(words), perplexity=min(30.0, len(words) / 4))
    except ArgumentError:  # all alike
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from sklearn.cluster import KMeans

    groups = KMeans(min(_GROUPS, len(words) // 4), n_init=4, random_state=0).fit_predict(directions)
    figure = Figure(figsize=(10.5, 8.6), facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    colors = [_COLORS[group % len(_COLORS)] for group in groups]
    axes.scatter(plane.points[:, 0], plane.points[:, 1], s=7, c=colors, linewidths=0, alpha=0.8)
    axes.margins(0.05)
    with any_letters():
        _names(canvas, axes, plane.points, words, colors)
    return png_of(figure)


def _names(canvas: Any, axes: Axes, points: Any, words: list[str], colors: list[str]) -> None:
    """The name of each word beside its dot, the commonest first; one that finds no place near is left out."""
    canvas.figure.draw_without_rendering()
    area = axes.get_window_extent()
    pixels = (axes.transData.transform(points) - (area.x0, area.y1)) * (1, -1)
    taken = np.zeros((int(area.height), int(area.width)), bool)
    for x, y in pixels:
        taken[max(0, int(y) - 2) : int(y) + 3, max(0, int(x) - 2) : int(x) + 3] = True
    texts = [
        axes.text(0, 0, word[:24], fontsize=7.5, color=color, ha="left", va="top", parse_math=False)
        for word, color in zip(words, colors, strict=True)
    ]
    extents = [text.get_window_extent(canvas.get_renderer()) for text in texts]
    sizes = [(math.ceil(each.width), math.ceil(each.height)) for each in extents]
    places = places_for_names(taken, [point[None] for point in pixels], sizes)
    for text, size, place in zip(texts, sizes, places, strict=True):
        far = 0.0
        if place is not None:
            near = [min(max(at, low), low + long) for at, low, long in zip(place[2:], place[:2], size, strict=True)]
            far = math.dist(near, place[2:])
        if place is None or far > 3 * size[1]:
            text.remove()
            continue
        text.set_position(tuple(axes.transData.inverted().transform((area.x0 + place.left, area.y1 - place.top))))
