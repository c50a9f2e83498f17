"""Language models judged together: each alone, mixed, and with a cache of what was read, by what suits validation text best.

N tokens, M models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from leadline.data.dataset import Dataset
from leadline.data.tokens.token_loading import stream_of
from leadline.data.tokens.tokens import Tokens
from leadline.errors import ArgumentError, DataError, LeadlineError
from leadline.language import (
    CacheFit,
    Foretelling,
    NGramModel,
    NGramNetwork,
    cache_surprises,
    fit_cache,
    fit_gate,
    fit_mixture,
    mixed_surprises,
)
from leadline.models.language_steps import as_language_model
from leadline.runs.reloading import load_for
from leadline.runs.run import Run
from leadline.runs.token_scoring import counted_scores, features_of, surprises_of, token_difference, token_scores
from leadline.runs.tokens import judged_text, tokens_of

_VALID = 200_000  # tokens of validation text at most: a handful of weights needs no more
_FEATURES = 1 << 29  # numbers that a cache is made of at most: 2 GB


class _Column(NamedTuple):
    """A model and its surprises at the tokens of validation and of the text that is judged, [N] each."""

    name: str
    valid: NDArray[np.float64]
    test: NDArray[np.float64]


def evaluate_mixed(run: Run, others: Sequence[Run | Foretelling], source: Any, *, cache: bool = False) -> dict[str, Any]:
    """What a language model comes to on a text, alone and mixed with others, the weights fitted on its validation text.

    p = Σ_m w_m p_m. To what `Run.evaluate` gives, which is of the model alone, come `mixtures`, a record for each model and
    for each mixture: `names`, `weights`, `scores`, and the `difference` in the headline from the first model; and `cache`: θ
    and size of the cache of what was read, and what it comes to on validation text. A cache looks at the text that it is
    judged on, and is never in a row with what does not. Where all models can tell signs, one mixture is `gated`: its weights
    depend on what is known before each token, and those in the record are their means.

    Args:
        run: of the task tokens or ngram.
        others: Runs with the same vocabulary, or other models over it, such as `read_arpa(path, vocabulary).model`.
        source: the text, as for `Run.evaluate`; the source of the training stands for its test part.
        cache: whether a cache of what `run` has read is mixed in as well.

    Errors: `ArgumentError` for models that do not read text alike, or a text too long for a cache; `DataError` where the
    validation text of the training is gone or has changed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import leadline
        >>> path = Path(tempfile.mkdtemp()) / "rhyme.txt"
        >>> _ = path.write_text("the cat sat on the mat .\\n the dog sat on the log .\\n" * 50)
        >>> changes = {"model": "ngram", "data.unit": "spaced words"}
        >>> runs = [leadline.train(path, changes={**changes, "model.order": n}, folder=path.parent / str(n)) for n in (1, 3)]
        >>> found = evaluate_mixed(runs[1], runs[:1], path)
        >>> [(row["names"], row["weights"][0] > 0.9, row.get("gated", False)) for row in found["mixtures"][2:]]
        [(['3', '1'], True, False), (['3', '1'], True, True)]

    Source: `language.fit_mixture`, `language.fit_gate` and `language.fit_cache`.
    """
    for each in (run, *others):
        _check_foretells(each)
    tokens, names = tokens_of(run.schema), _names([run, *others])
    for name, other in zip(names[1:], others, strict=True):
        _check_alike(run, names[0], name, other)
    dataset = _trained_on(run)
    split, note = judged_text(run.schema, run.plan, source, dataset)
    texts = [np.asarray(ids) for ids in (stream_of(dataset.valid)[:_VALID], stream_of(split))]
    if cache:
        _check_room(run, max(map(len, texts)))
    readers = [_reader(model, tokens) for model in (run, *others)]
    read = [[reader(ids) for reader in readers] for ids in texts]
    # Where nothing stands before the first token of a text, a network does not foretell it.
    sizes = [min(map(len, surprises)) for surprises in read]
    columns = [_Column(name, valid[-sizes[0] :], test[-sizes[1] :]) for name, valid, test in zip(names, *read, strict=True)]
    rows = [[column] for column in columns] + ([columns] if others else [])
    fit = None
    if cache:
        fit, cached = _cached(run, texts, columns[0])
        rows += [[columns[0], cached], *([[*columns, cached]] if others else [])]
    first = columns[0].test
    mixtures = [_row(row, first, tokens) for row in rows]
    if others and (signs := _signs([run, *others], texts, sizes, tokens)):
        mixtures.insert(len(columns) + 1, _gated_row(columns, signs, first, tokens))
    scores = counted_scores(first, texts[1][-sizes[1] :], tokens) if _counted(run) else token_scores(first, tokens)
    notes = [
        note,
        f"The weights are those that suit {sizes[0]:,} {tokens.unit} of validation text best.",
        *_foreign(run, others),
    ]
    return {
        "note": " ".join(each for each in notes if each),
        "rows": len(stream_of(split)),
        "unit": tokens.unit,
        "task": run.schema.task,
        "headline": next(iter(scores)),
        "classes": [],
        "scores": scores,
        "mixtures": mixtures,
        "cache": None if fit is None else fit._asdict(),
    }


def _row(columns: Sequence[_Column], first: NDArray[np.float64], tokens: Tokens) -> dict[str, Any]:
    """Names, weights and scores of some models together, and how far they are from the first alone."""
    # One alone may rule tokens out, as a file that lacks words does, and has nothing to be weighted against.
    weights = fit_mixture(np.stack([column.valid for column in columns], axis=1)) if len(columns) > 1 else np.ones(1)
    mixed = mixed_surprises(np.stack([column.test for column in columns], axis=1), weights)
    return _told(columns, weights, mixed, first, tokens)


def _gated_row(
    columns: Sequence[_Column], signs: Sequence[NDArray[np.floating]], first: NDArray[np.float64], tokens: Tokens
) -> dict[str, Any]:
    """The same with weights that depend on what is known before each token."""
    valid, test = (np.stack(part, axis=1) for part in zip(*((column.valid, column.test) for column in columns), strict=True))
    weights = fit_gate(valid, signs[0]).weights(signs[1])
    return {**_told(columns, weights.mean(axis=0), mixed_surprises(test, weights), first, tokens), "gated": True}


def _told(
    columns: Sequence[_Column],
    weights: NDArray[np.float64],
    mixed: NDArray[np.float64],
    first: NDArray[np.float64],
    tokens: Tokens,
) -> dict[str, Any]:
    ruled_out = np.isinf(mixed)
    finite = np.where(ruled_out, 0.0, mixed)
    scores, difference = token_scores(finite, tokens), token_difference(finite, first, tokens)
    if ruled_out.any():  # all of these are infinite, for which JSON has no word
        nothing = {"value": None, "low": None, "high": None}
        scores, difference = {name: {**score, **nothing} for name, score in scores.items()}, dict(nothing)
    return {
        "names": [column.name for column in columns],
        "weights": weights.tolist(),
        "scores": scores,
        "difference": difference,
        "ruled_out": int(ruled_out.sum()),
    }


def _signs(
    models: Sequence[Run | Foretelling], texts: Sequence[NDArray[Any]], sizes: Sequence[int], tokens: Tokens
) -> list[NDArray[np.floating]]:
    """What all models know before each token of each text, side by side; none where one cannot tell, or there is no room."""
    found = []
    for ids, size in zip(texts, sizes, strict=True):
        columns = []
        for model in models:
            if isinstance(model, Run) and not _counted(model):
                if len(ids) * as_language_model(model.model).head.in_features > _FEATURES:
                    return []
                columns.append(features_of(model.model.eval(), ids, tokens, model.device).numpy())
                continue
            counted = model.model.counted if isinstance(model, Run) else model
            if not isinstance(counted, NGramModel):
                return []
            columns.append(counted.signs(ids))
        found.append(np.concatenate([column[-size:] for column in columns], axis=1))
    return found


def _cached(run: Run, texts: Sequence[NDArray[Any]], first: _Column) -> tuple[CacheFit, _Column]:
    """The cache that helps the first model most on validation text, and how it foretells both."""
    known, asked = (_features(run, text, len(read)) for text, read in zip(texts, (first.valid, first.test), strict=True))
    # Counts have no features by which what was read could be alike: all of it weighs the same.
    fit = fit_cache(*known, first.valid, flatnesses=(0.0,)) if _counted(run) else fit_cache(*known, first.valid)
    cached = [cache_surprises(*each, flatness=fit.flatness, size=fit.size) for each in (known, asked)]
    return fit, _Column("cache", *cached)


def _features(run: Run, text: NDArray[Any], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What the last layer got before each of the last `size` tokens [N, D], and these tokens [N]."""
    ids = torch.from_numpy(text.astype(np.int64))
    if _counted(run):
        return torch.zeros(size, 1), ids[-size:]
    return features_of(run.model.eval(), text, tokens_of(run.schema), run.device)[-size:], ids[-size:]


def _reader(model: Run | Foretelling, tokens: Tokens) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """A function from tokens to the surprise at each."""
    if not isinstance(model, Run):
        return model.surprises
    if isinstance(model.model, NGramNetwork):
        return model.model.counted.surprises
    network, device = model.model.eval(), model.device
    return lambda ids: surprises_of(network, ids, tokens, device)


def _counted(run: Run) -> bool:
    return isinstance(run.model, NGramNetwork)


def _names(models: Sequence[Run | Foretelling]) -> list[str]:
    """What each model is called: by its kind, Runs by their folder where several are of one kind."""
    kinds = [_kind(model) for model in models]
    named = [
        model.folder.name if isinstance(model, Run) and kinds.count(kind) > 1 else kind
        for model, kind in zip(models, kinds, strict=True)
    ]
    return [name if named.count(name) == 1 else f"{name} ({at})" for at, name in enumerate(named, 1)]


def _kind(model: Run | Foretelling) -> str:
    if isinstance(model, Run):
        return model.plan.model.name
    return f"{model.order}-gram model" if isinstance(model, NGramModel) else type(model).__name__


def _check_foretells(model: Run | Foretelling) -> None:
    """Refuse a Run of another kind, naming it: there are several."""
    if isinstance(model, Run) and not isinstance(model.schema.inputs, Tokens):
        raise ArgumentError(
            f"The network in {model.folder} was not trained to foretell a text, so that it cannot be mixed",
            expected="Runs of the task tokens or ngram",
            got=f"the task {model.schema.task}, on {model.schema.inputs.describe()}",
            do="Train one: leadline train TEXT.txt.",
        )


def _check_alike(run: Run, first: str, name: str, other: Run | Foretelling) -> None:
    """Refuse a model whose numbers stand for other tokens."""
    ours = tokens_of(run.schema)
    if isinstance(other, Run):
        theirs = tokens_of(other.schema)
        if (theirs.vocabulary.words, theirs.by, theirs.lower) != (ours.vocabulary.words, ours.by, ours.lower):
            raise ArgumentError(
                f"{name} does not read text as {first} does, so that they cannot be mixed",
                expected=ours.describe(),
                got=theirs.describe() if theirs.describe() != ours.describe() else "others of the same number",
                do="Train both on the same text, with the same data.unit and data.vocabulary.",
            )
    elif isinstance(other, NGramModel) and other.vocabulary != len(ours.vocabulary):
        raise ArgumentError(
            f"The {name} is over another vocabulary",
            expected=f"{len(ours.vocabulary):,} tokens",
            got=f"{other.vocabulary:,}",
            do="Read it with the vocabulary of the Run: language.read_arpa(path, vocabulary).",
        )


def _check_room(run: Run, longest: int) -> None:
    """Refuse a text of which a cache would not fit into memory."""
    width = 1 if _counted(run) else as_language_model(run.model).head.in_features
    if longest * width > _FEATURES:
        raise ArgumentError(
            "The text is too long for a cache",
            expected=f"{_FEATURES // width:,} {tokens_of(run.schema).unit} at most",
            got=f"{longest:,}",
            do="Judge a part of it, or leave the cache out.",
        )


def _trained_on(run: Run) -> Dataset:
    """The text of the training, for the weights."""
    why = "The weights of a mixture are fitted on the validation text of the training"
    try:
        dataset = load_for(run.plan)
    except LeadlineError as error:
        raise DataError(f"{why}, which cannot be read: {error}") from error
    if dataset.fingerprint() != run.plan.data.hash:
        raise DataError(f"{why}, which has changed since", got=run.plan.data.source, do="Put the text back, or train anew.")
    return dataset


def _foreign(run: Run, others: Sequence[Run | Foretelling]) -> list[str]:
    """A note where a model may know the validation text."""
    hashes = [other.plan.data.hash if isinstance(other, Run) else "" for other in others]
    if all(each == run.plan.data.hash for each in hashes):
        return []
    return ["A model that was trained on other data may have learned from it, and then its weight is too large."]
