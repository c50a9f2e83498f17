"""Judging and finishing a training on a text, beside counts of the same tokens, and writing with what was learned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leadline import files
from leadline.baselines.token_counts import CountedTokens
from leadline.data.dataset import Dataset, Split
from leadline.data.schema import Schema
from leadline.data.tokens.token_loading import read_tokens, stream_of
from leadline.data.tokens.tokens import Tokens
from leadline.errors import ArgumentError, DataError
from leadline.language import NGramNetwork, write_ngrams, write_text
from leadline.plan.record import Plan
from leadline.report.sentences import better_baseline
from leadline.runs.observer import Observer
from leadline.runs.reloading import load_for
from leadline.runs.restarts import Trained
from leadline.runs.results import more_epochs, training_record
from leadline.runs.token_scoring import counted_scores, surprises_of, token_difference, token_scores
from leadline.text.vocabularies import UNKNOWN

_OWN = "This is what it was trained on, so only its test part counts."
_NAMES = {1: "unigram model", 2: "bigram model", 3: "trigram model"}
_WRITTEN = {"characters": 600, "words": 120}  # tokens of a sample
_TEMPERATURES = (0.7, 1.0)
_GOLDEN_STEPS, _GOLDEN_NUMBERS = 32, 1_000_000  # tokens of a window whose answers are kept with a Run, and numbers at most


def evaluate(model: nn.Module, schema: Schema, device: torch.device, plan: Plan, source: Any) -> dict[str, Any]:
    """Scores on another text; the source of the training stands for its test part."""
    tokens = tokens_of(schema)
    split, note = judged_text(schema, plan, source)
    if isinstance(model, NGramNetwork):
        scores = counted_scores(model.counted.surprises(stream_of(split)), stream_of(split), tokens)
    else:
        scores = token_scores(surprises_of(model, stream_of(split), tokens, device), tokens)
    headline = next(iter(scores))
    judged = {"task": schema.task, "headline": headline, "classes": [], "scores": scores}
    return {"note": note, "rows": len(stream_of(split)), "unit": tokens.unit, **judged}


def judged_text(schema: Schema, plan: Plan, source: Any, dataset: Dataset | None = None) -> tuple[Split, str]:
    """The text that a language model is judged on, and what to say of it; the source of the training stands for its test part.

    Args:
        schema: how the model reads text.
        plan: of its training.
        source: text files.
        dataset: of the training, where it is loaded already.

    Errors: `DataError` for what are no text files.
    """
    if _same(source, plan.data.source):
        dataset = dataset or load_for(plan)
        if dataset.fingerprint() == plan.data.hash:
            return dataset.test, _OWN
    split = read_tokens(source, schema)
    return split, " ".join(split.notes)


def finish_tokens(path: Path, plan: Plan, dataset: Dataset, trained: Trained, observer: Observer) -> dict[str, Any]:
    """Judge the best weights on the test part and write samples and results; the results come back."""
    built, tokens = trained.built, tokens_of(dataset.schema)
    ids = {part: stream_of(getattr(dataset, part)) for part in ("train", "valid", "test")}
    model = built.model.eval()
    ours = surprises_of(model, ids["test"], tokens, built.device)
    scores = token_scores(ours, tokens)
    order = _longest(tokens)
    observer.note("baselines", f"counts of single {tokens.unit}, pairs and {_named(order)}s of the same text")
    results = training_record(path, plan, dataset, trained) | {
        "task": dataset.task,
        "headline": next(iter(scores)),
        "classes": [],
        "scores": scores,
        "baselines": [beside_counts(each, ids, tokens, ours) for each in (1, 2, order)],
        "noun": tokens.unit,
        "rows": {part: len(each) for part, each in ids.items()},
        "vocabulary": len(tokens.vocabulary),
        "unknown": float((np.asarray(ids["test"]) == UNKNOWN).mean()),
    }
    files.write_json(path / "examples.json", {"written": samples_of(model, dataset.schema, ids["test"])})
    results["next"] = _next(results, path, plan.training.epochs)
    files.write_json(path / "results.json", results)
    return results


def tell_tokens(results: dict[str, Any], observer: Observer) -> None:
    """The result in three lines."""
    headline = results["headline"]
    score = results["scores"][headline]
    interval = "" if score["low"] is None else f" ({score['low']:.4g} to {score['high']:.4g})"
    observer.note("result", f"test {score['title'].lower()} {score['value']:.4g}{interval}, from epoch {results['best_epoch']}")
    beside = "; ".join(f"{row['name']} {row['scores'][headline]['value']:.4g}" for row in results["baselines"])
    observer.note("beside it", beside)


def golden_tokens(dataset: Dataset) -> NDArray[np.int64]:
    """The beginning of the test part [1, T], whose answers are kept with a Run to know it again."""
    steps = max(1, min(_GOLDEN_STEPS, _GOLDEN_NUMBERS // dataset.schema.answers.outputs))
    return np.asarray(stream_of(dataset.test)[:steps]).astype(np.int64)[None]


def written(
    model: nn.Module, schema: Schema, prompt: str, *, length: int, temperature: float, top_p: float, top_k: int, seed: int
) -> Iterator[str]:
    """Text that goes on from a beginning, piece by piece.

    Errors: `ArgumentError` for a network that was not trained on a text, and what `language.write_text` raises.
    """
    tokens = tokens_of(schema)
    if isinstance(model, NGramNetwork):
        drawing = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
        return write_ngrams(model.counted, tokens, prompt, length=length, seed=seed, **drawing)  # type: ignore[arg-type]
    return write_text(model, tokens, prompt, length=length, temperature=temperature, top_p=top_p, top_k=top_k, seed=seed)


def unknown_tokens(tokens: Tokens, text: str) -> list[str]:
    """The tokens of a text that the training never met, each once, in their order.

    Example:
        >>> unknown_tokens(Tokens.learn(["to be or not to be"]), "to see")
        ['s']
    """
    pieces = list(text.lower() if tokens.lower else text) if tokens.by_characters else tokens.tokenizer.split(text)
    return list(dict.fromkeys(piece for piece in pieces if piece not in tokens.vocabulary))


def tokens_of(schema: Schema) -> Tokens:
    """How a language model reads text.

    Errors: `ArgumentError` for a network that was trained on anything else.
    """
    if not isinstance(schema.inputs, Tokens):
        raise ArgumentError(
            "The model was not trained to foretell a text",
            expected="a Run of the task tokens or ngram",
            got=schema.inputs.describe(),
            do="Train one: leadline train TEXT.txt.",
        )
    return schema.inputs


def _longest(tokens: Tokens) -> int:
    """The order of the longest counts: what a person would try next."""
    return 5 if tokens.by_characters else 3


def _named(order: int) -> str:
    return _NAMES.get(order, f"{order}-gram model").removesuffix(" model")


def beside_counts(order: int, ids: dict[str, NDArray[Any]], tokens: Tokens, ours: NDArray[np.float64]) -> dict[str, Any]:
    """Counts of this order on the same text, and how far the model is ahead of them.

    Args:
        order: of the counts.
        ids: the tokens of each part.
        tokens: how the text is read.
        ours: surprises of the model on the test part.
    """
    counted = CountedTokens(ids["train"], len(tokens.vocabulary), order=order, start=tokens.start)
    counted.choose_strengths(ids["valid"])
    theirs = counted.surprises(ids["test"])[-len(ours) :]  # where nothing stands before the first, it is not judged
    detail = "frequencies" if order == 1 else f"counts of up to {order} in a row, smoothed by shorter ones"
    return {
        "name": f"{_named(order)} model",
        "detail": detail,
        "scores": token_scores(theirs, tokens),
        "network_ahead": token_difference(ours, theirs, tokens),
    }


def samples_of(model: nn.Module, schema: Schema, test: NDArray[Any]) -> list[dict[str, Any]]:
    """What the model writes, from the beginning of a line or of the test part, at two temperatures.

    Args:
        model: that foretells tokens.
        schema: how it reads text.
        test: the test part.
    """
    return [_sample(model, schema, test, temperature) for temperature in _TEMPERATURES]


def _sample(model: nn.Module, schema: Schema, test: NDArray[Any], temperature: float) -> dict[str, Any]:
    tokens = tokens_of(schema)
    prompt = "" if tokens.start is not None else tokens.decode(np.asarray(test[:1]))
    length = _WRITTEN[tokens.unit]
    pieces = written(model, schema, prompt, length=length, temperature=temperature, top_p=0.95, top_k=0, seed=0)
    text = "".join(pieces)
    return {"temperature": temperature, "top_p": 0.95, "prompt": prompt, "text": text}


def _next(results: dict[str, Any], path: Path, epochs: int) -> list[str]:
    advice = [better] if (better := better_baseline(results)) else []
    advice += more_epochs(results, epochs)
    return [
        *advice,
        f'Let it write: `leadline write {path} "A beginning" --temperature 0.8 --top-p 0.95`',
        f"Judge it on another text: `leadline evaluate {path} TEXT.txt`",
    ]


def _same(source: Any, own: str) -> bool:
    if not isinstance(source, (str, Path)):
        raise DataError("A language model is judged on text files", expected="a path", got=type(source).__name__)
    return str(source) == own or (Path(source).exists() and Path(own).exists() and Path(source).samefile(own))
