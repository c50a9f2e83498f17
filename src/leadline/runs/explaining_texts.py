"""Which words of a text decided: how far an answer falls without each of them, on the text as it was written."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadline.data.texts.texts import Texts
from leadline.errors import ArgumentError
from leadline.explain.leaving_out_words import word_importance
from leadline.runs.explaining_answers import Asked, judged_answers, score_of
from leadline.runs.predicting import Prediction, prediction
from leadline.runs.run import Run
from leadline.text.reading_text import sample_of_text
from leadline.text.vocabularies import UNKNOWN


@dataclass(frozen=True)
class SeenText:
    """What a network made of one text, and what each of its words was worth.

    `pieces` are its words (or characters) as they were written, `gaps` what stands behind each; `known` says which of them the
    vocabulary holds; `worth` [K, T] is how far each explained output falls without a piece: log odds of classes and labels, or
    a number in its own units. `unread` counts the words behind the last one that the network reads.

    Example:
        >>> said = Prediction("text", "ham", {"ham": 0.9, "spam": 0.1})
        >>> SeenText("text", said, ("ham",), (0.9,), ("Hi", "!"), ("", ""), (True, True), np.ones((1, 2), np.float32)).text
        'Hi!'
    """

    id: str
    prediction: Prediction
    classes: tuple[str, ...]
    values: tuple[float, ...]
    pieces: tuple[str, ...]
    gaps: tuple[str, ...]
    known: tuple[bool, ...]
    worth: NDArray[np.float32]
    unread: int = 0

    @property
    def text(self) -> str:
        """As much of it as the network has read."""
        return "".join(piece + gap for piece, gap in zip(self.pieces, self.gaps, strict=True))

    @property
    def strangers(self) -> tuple[str, ...]:
        """The words that are not in the vocabulary, each once."""
        return tuple(dict.fromkeys(piece for piece, known in zip(self.pieces, self.known, strict=True) if not known))

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            **self.prediction.to_json(),
            "explained": dict(zip(self.classes, self.values, strict=True)),
            "words": list(self.pieces),
            "worth": {
                name: [round(float(value), 5) for value in row] for name, row in zip(self.classes, self.worth, strict=True)
            },
            "unknown": list(self.strangers),
            "unread": self.unread,
        }


class TextExplainer:
    """Leaves words out of texts, and looks at what the network of a Run then says.

    Args:
        run: a Run that was trained on texts, and answers with classes, labels or numbers.
        classes: which outputs to explain, by name; the `top` likeliest when left out.
        top: how many.

    Errors: `ArgumentError` for a Run on anything else, and for an unknown class, with the nearest right one.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> texts = [f"{mark} film {number}" for number in range(30) for mark in ("good", "bad")]
        >>> quick = {"training.epochs": 5, "training.threads": 1}
        >>> run = leadline.train(texts, targets=["yes", "no"] * 30, changes=quick, folder=tempfile.mkdtemp())
        >>> seen = TextExplainer(run)("A good film", "text")
        >>> seen.classes, seen.pieces[int(seen.worth[0].argmax())], seen.strangers
        (('yes',), 'good', ('A',))
    """

    def __init__(self, run: Run, *, classes: Sequence[str] | None = None, top: int = 1) -> None:
        self.run, self.inputs, self.answers = run, texts_of(run), judged_answers(run)
        self.asked = Asked.of(self.answers, classes=classes, top=top)

    def __call__(self, raw: Any, name: str) -> SeenText:
        """Look at one text.

        Errors: `ArgumentError` for a text without a word; a `LeadlineError` for a file that is no text.
        """
        text = written(raw)
        tokens = self.inputs.tokens(text)
        if not tokens:
            raise ArgumentError(
                f"There is nothing to explain in {name}: it has not one {self.inputs.unit.removesuffix('s')} in it",
                expected="a text with words in it, or a text file",
            )
        pieces, gaps, rest = as_written(text, tokens, lower=self.inputs.lower)
        return self.of_stored(self.inputs.encode(text), name, pieces=pieces, gaps=gaps, unread=len(rest.split()))

    def of_stored(
        self,
        stored: NDArray[Any],
        name: str,
        *,
        pieces: Sequence[str] = (),
        gaps: Sequence[str] = (),
        unread: int = 0,
        outputs: Sequence[int] | None = None,
        seconds: float = math.inf,
    ) -> SeenText:
        """The same for a text as numbers of words, as the Dataset holds it.

        Args:
            stored: [T].
            name: of the text.
            pieces: the words as they were written; those of the vocabulary when left out.
            gaps: what stands behind each of them.
            unread: words behind the last one.
            outputs: numbers of the outputs to explain, in place of those that were asked for.
            seconds: about the time that this may take; a slow network is asked about several words at once.
        """
        if not pieces:
            shown = ["\ufffd" if number == UNKNOWN else self.inputs.vocabulary[number] for number in stored.tolist()]
            text = self.inputs.decode(stored).replace("<unk>", "\ufffd")
            pieces, gaps, _ = as_written(text, shown, lower=False)
        values = self.run.predictor.values(stored[None])[0]
        chosen = list(outputs) if outputs is not None else self.asked.outputs(values)
        ids = torch.from_numpy(np.asarray(stored, np.int64)).to(self.run.device)
        wide = self._window(ids, seconds)
        finish = score_of(self.answers)
        return SeenText(
            id=name,
            prediction=prediction(name, values, self.answers),
            classes=tuple(self.answers.names[at] for at in chosen),
            values=tuple(float(values[at]) for at in chosen),
            pieces=tuple(pieces),
            gaps=tuple(gaps),
            known=tuple(bool(number != UNKNOWN) for number in stored),
            worth=word_importance(self.run.model, ids, chosen, window=wide, stride=wide, finish=finish),
            unread=unread,
        )

    def _window(self, ids: torch.Tensor, seconds: float) -> int:
        """Words that are left out together, so that the time is kept."""
        if not math.isfinite(seconds):
            return 1
        begun = time.perf_counter()
        with torch.inference_mode():
            self.run.model(ids.expand(_TRIED, -1))
        needed = (time.perf_counter() - begun) * len(ids) / _TRIED
        return int(min(len(ids), max(1, math.ceil(needed / max(seconds, 1e-9)))))


_TRIED = 16  # texts of one pass that tells how fast the network is


def explain_text(run: Run, text: Any, *, classes: Sequence[str] | None = None, top: int = 1) -> SeenText:
    """Which words of one text decided what the network of a Run says of it.

    Args:
        run: trained on texts.
        text: a text, or the `Path` of a text file.
        classes: which outputs, by name; the `top` likeliest when left out.
        top: how many.

    Errors: as `TextExplainer`; a `LeadlineError` for what is no text, or has no word in it.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> texts = [f"{mark} film {number}" for number in range(30) for mark in ("good", "bad")]
        >>> quick = {"training.epochs": 5, "training.threads": 1}
        >>> run = leadline.train(texts, targets=["yes", "no"] * 30, changes=quick, folder=tempfile.mkdtemp())
        >>> explain_text(run, "a bad film", top=2).worth.shape
        (2, 3)

    Source: Li, Monroe and Jurafsky (2016), Understanding neural networks through representation erasure.
    """
    return TextExplainer(run, classes=classes, top=top)(text, str(text) if isinstance(text, Path) else "text")


def written(raw: Any) -> str:
    """A text itself, or what a file of one holds.

    Args:
        raw: a text, bytes in UTF-8, or a `Path`.

    Errors: `ArgumentError` for anything else; a `LeadlineError` for a file that is no text.
    """
    if isinstance(raw, Path):
        return sample_of_text(raw)
    if isinstance(raw, bytes):
        return raw.decode(errors="replace")
    if isinstance(raw, str):
        return raw
    raise ArgumentError("There is no text to explain", expected="a text, or the path of a text file", got=repr(raw)[:80])


def as_written(text: str, tokens: Sequence[str], *, lower: bool) -> tuple[list[str], list[str], str]:
    """The words of a text with their capitals, what stands behind each, and what follows the last of them.

    Args:
        text: as it was written.
        tokens: of it, in order.
        lower: whether they were made lower case.

    Example:
        >>> as_written("Don't  STOP! Now", ["don't", "stop", "!"], lower=True)
        (["Don't", 'STOP', '!'], ['  ', '', ''], ' Now')
    """
    lowered = text.lower() if lower else text
    source = text if len(lowered) == len(text) else lowered  # some letters become two: İ
    pieces: list[str] = []
    gaps: list[str] = []
    at = 0
    for token in tokens:
        start = lowered.find(token, at)
        if start < 0:  # a tokenizer that changed it
            pieces.append(token)
            gaps.append(" ")
            continue
        if pieces:
            gaps[-1] = source[at:start]
        pieces.append(source[start : start + len(token)])
        gaps.append("")
        at = start + len(token)
    return pieces, gaps, source[at:]


def texts_of(run: Run) -> Texts:
    """How the Run reads texts.

    Errors: `ArgumentError` for a Run on anything else.
    """
    inputs = run.schema.inputs
    if not isinstance(inputs, Texts):
        raise ArgumentError(
            f"The network in {run.folder} was not trained on texts, so there are no words to explain",
            expected="a Run on texts",
            got=inputs.describe(),
        )
    return inputs
