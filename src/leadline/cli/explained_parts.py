"""What `leadline explain` says of a text or a series: the answer, the words or stretches that decided, what was not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leadline.cli.printing import printable
from leadline.spelling import counted

if TYPE_CHECKING:
    from leadline.runs.explaining_series import SeenSeries
    from leadline.runs.explaining_texts import SeenText

_LIKELIEST, _WORTH, _STRANGERS = 3, 6, 8  # classes, words and unknown words that are listed


def said(seen: SeenText | SeenSeries) -> str:
    """The answer of one input in words: the likeliest classes with their probabilities, or numbers.

    Args:
        seen: of the input.
    """
    found = seen.prediction
    if found.probabilities:
        falling = sorted(found.probabilities.items(), key=lambda item: -item[1])[:_LIKELIEST]
        shown = ", ".join(f"{name} {100 * value:.1f} %" for name, value in falling)
        return f"{' + '.join(found.answer) or 'none'}: {shown}" if isinstance(found.answer, list) else shown
    if isinstance(found.answer, dict):
        return ", ".join(f"{name} {value:.5g}" for name, value in found.answer.items())
    return f"{found.answer:.5g}" if isinstance(found.answer, float) else str(found.answer)


def words_line(seen: SeenText, at: int, numbers: bool) -> str:
    """The words that counted most for one output, and against it, with what they are worth.

    Args:
        seen: of a text.
        at: number of the output among those explained.
        numbers: whether the answer is a number.
    """
    from leadline.runs.explaining_answers import as_odds

    worth = seen.worth[at]
    peak = float(abs(worth).max())
    counting = [place for place in (-abs(worth)).argsort(kind="stable")[:_WORTH].tolist() if abs(worth[place]) > 0.1 * peak]
    if not counting or peak < (1e-9 if numbers else 0.01):
        return "No word counted: without any one of them the answer is the same."
    parts = []
    for sign in (1, -1):
        if chosen := [place for place in counting if worth[place] * sign > 0]:
            listed = [f"{_quoted(seen.pieces[place])} {as_odds(float(worth[place]), numbers=numbers)}" for place in chosen]
            parts.append(f"{_side(seen.classes[at], sign, numbers)}: {', '.join(listed)}")
    return "; ".join(parts)


def _side(name: str, sign: int, numbers: bool) -> str:
    """What stands before the parts that raise an output, or lower it."""
    return f"{'raise' if sign > 0 else 'lower'} {name}" if numbers else f"{'for' if sign > 0 else 'against'} {name}"


def _quoted(piece: str) -> str:
    """A word as it stands, a mark in quotation marks, as it would be read as one of this line's."""
    shown = printable(piece)
    return shown if any(map(str.isalnum, shown)) else f"“{shown}”"


def stretches_line(seen: SeenSeries, at: int, numbers: bool) -> str:
    """The stretches that counted most for one output, with what they are worth, and the channel that did.

    Args:
        seen: of a series.
        at: number of the output among those explained.
        numbers: whether the answer is a number.
    """
    from leadline.runs.explaining_answers import as_odds

    least = max(1e-9 if numbers else 0.01, 0.1 * float(abs(seen.worth[at]).max()))
    parts = []
    for sign in (1, -1):
        found = [each for each in seen.decisive(at, against=sign < 0) if abs(each[2]) >= least]
        if found:
            listed = [f"{start:,} to {end - 1:,} ({as_odds(worth, numbers=numbers)})" for start, end, worth in found]
            parts.append(f"{_side(seen.classes[at], sign, numbers)}: steps {', '.join(listed)}")
    if not parts:
        return "No stretch counted: with any one of them covered the answer is the same."
    text = "; ".join(parts) + f"; of {counted(len(seen.worth[at]), 'step')} from 0 on, {seen.window:,} covered at a time"
    apart = seen.apart[at]
    if apart.shape[1] > 1:
        best = apart.max(axis=0)
        channel = int(best.argmax())
        text += f"; most by {seen.channels[channel]} ({as_odds(float(best[channel]), numbers=numbers)} alone)"
    return text


def text_notes(seen: SeenText, characters: bool) -> list[str]:
    """What a person should know about how a text was read: unknown words, and what was not read at all.

    Args:
        seen: of the text.
        characters: whether it was read letter by letter.
    """
    notes = []
    what = "letter" if characters else "word"
    if strangers := seen.strangers:
        shown = ", ".join(map(printable, strangers[:_STRANGERS]))
        more = f" and {len(strangers) - _STRANGERS} more" if len(strangers) > _STRANGERS else ""
        if not any(seen.known):
            notes.append(f"The network knows not one of its {what}s, so what it says of it is worth nothing: {shown}{more}")
        else:
            notes.append(f"Not in its vocabulary, and read as unknown {what}s: {shown}{more}")
    if seen.unread:
        notes.append(f"Only its beginning was read: {counted(seen.unread, 'word')} stand behind the last one shown.")
    return notes
