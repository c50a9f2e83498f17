"""Training word vectors in a Run folder, judging them, and asking them."""

from __future__ import annotations

import base64
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leadline import files
from leadline.data.dataset import Dataset
from leadline.data.schema import Schema
from leadline.data.tokens.token_loading import stream_of
from leadline.data.words.word_answers import CorpusWords
from leadline.errors import ArgumentError, DataError
from leadline.explain.word_maps import word_map_png, words_to_map
from leadline.language.words.word2vec_settings import Word2vecSettings, falling_rate
from leadline.language.words.word2vec_training import Word2vec, compile_word2vec
from leadline.language.words.word_tests import COMMON, judge_words
from leadline.plan import Built, Plan
from leadline.plan.network_building import network
from leadline.runs.observer import Observer
from leadline.runs.restarts import Trained
from leadline.text.word_vectors import WordVectors
from leadline.training import History, Interruption
from leadline.training import checkpoints as saved

_CHECKPOINT = Path("checkpoint") / "training.safetensors"
_SAMPLE = 20_000  # words on which a loss is told
_ASKED, _NEAR = 12, 8  # words whose neighbours the report shows, and how many of each
_GOLDEN = 4
_SURE, _FEWEST_PAIRS = 1.96, 10


def fit_words(path: Path, plan: Plan, dataset: Dataset, observer: Observer, interruption: Interruption) -> Trained:
    """Train from the beginning, or from the last epoch that was done. A training that was stopped says so in its history."""
    words, training = corpus_words_of(dataset.schema), plan.training
    torch.manual_seed(training.seed)
    model = network(plan, dataset.schema)
    settings = Word2vecSettings(**plan.model.arguments)
    learner = Word2vec(words.counts, settings, boundary=words.boundary, seed=training.seed)
    text = {part: stream_of(getattr(dataset, part)) for part in ("train", "valid")}
    samples = {"loss": text["train"][:_SAMPLE], "valid_loss": text["valid"][:_SAMPLE]}
    observer.note("compiling", f"{compile_word2vec():.1f} s, which is not counted below")
    for sample in (*samples.values(), stream_of(dataset.test)[:_SAMPLE]):
        learner.loss(sample)  # a part too short to be judged is told before hours of training
    history, begin, before = History.read(path / "history.jsonl"), 0, 0.0
    if (path / _CHECKPOINT).exists():
        state = saved.load(path / _CHECKPOINT)
        learner.load(state["vectors"].numpy(), state["targets"].numpy())
        begin, before = state["epoch"], state["seconds"]
        observer.note("resuming", f"after {begin} of {training.epochs} epochs")
    history.cut(begin)
    total, each = training.epochs * len(text["train"]), len(text["train"])
    interruption.fit_start(None)  # type: ignore[arg-type]
    observer.begin(total, each)
    observer.count_in("words")
    observer.advance(begin * each)
    seconds = before
    for epoch in range(begin, training.epochs):
        began, first = time.perf_counter(), epoch * each

        def told(count: int, first: int = first) -> None:
            observer.advance(first + count)

        done = learner.train(
            text["train"],
            epoch,
            epochs=training.epochs,
            learning_rate=training.learning_rate,
            threads=training.threads,
            told=told,
            stopped=lambda: interruption.batch_end(None) is not None,  # type: ignore[arg-type]
        )
        seconds += time.perf_counter() - began
        if done is None:
            history.stopped = Interruption.REASON
            break
        record = {"step": (epoch + 1) * each, "epoch": float(epoch + 1), "seconds": round(seconds, 3)}
        rate = falling_rate(training.learning_rate, (epoch + 1) / training.epochs)
        losses = {name: learner.loss(sample) for name, sample in samples.items()}
        history.append({**record, "rate": rate, **losses, "words_per_second": round(done.rate), "words_read": done.read})
        observer.log(history.records[-1])
        tensors = {"vectors": torch.from_numpy(learner.vectors.copy()), "targets": torch.from_numpy(learner.targets.copy())}
        history.sync()
        saved.save(path / _CHECKPOINT, {**tensors, "epoch": epoch + 1, "seconds": seconds})
        if interruption.evaluated(None) is not None and epoch + 1 < training.epochs:  # type: ignore[arg-type]
            history.stopped = Interruption.REASON
            break
    observer.end()
    put_vectors(model, learner)
    nothing: Any = None
    return Trained(Built(model.eval(), nothing, nothing, nothing, nothing, torch.device("cpu")), history, seconds)


def put_vectors(model: nn.Module, learner: Word2vec) -> None:
    """Copy what was learned into the network."""
    tables: Any = model
    with torch.no_grad():
        tables.vectors.weight.copy_(torch.from_numpy(learner.vectors))
        tables.targets.weight.zero_()[: learner.rows].copy_(torch.from_numpy(learner.targets))


def finish_words(path: Path, plan: Plan, dataset: Dataset, trained: Trained, observer: Observer) -> dict[str, Any]:
    """Judge the vectors on the test part, draw their map, and write examples and results; the results come back."""
    words, history, model = corpus_words_of(dataset.schema), trained.history, trained.built.model
    learner = Word2vec(words.counts, Word2vecSettings(**plan.model.arguments), boundary=words.boundary, seed=plan.training.seed)
    test = stream_of(dataset.test)
    drawn = learner.loss(test[:_SAMPLE])
    tables: Any = model
    learner.load(tables.vectors.weight.detach().numpy(), tables.targets.weight.detach().numpy()[: learner.rows])
    loss = learner.loss(test[:_SAMPLE])
    vectors = vectors_of(model, dataset.schema)
    rates = history["words_per_second"]
    results: dict[str, Any] = {
        "task": dataset.task,
        "headline": "loss",
        "classes": [],
        "scores": {"loss": {"value": loss, "low": None, "high": None, "title": "Loss", "higher_is_better": False}},
        "drawn_loss": drawn,
        "baselines": [],
        "name": dataset.name,
        "noun": "words",
        "rows": {
            part: int(np.count_nonzero(stream_of(getattr(dataset, part)) != words.boundary))
            for part in ("train", "valid", "test")
        },
        "vocabulary": len(vectors),
        "words_per_second": float(np.median(rates)) if rates else None,
        "epochs": plan.training.epochs,
        "best_epoch": None,
        "stopped": history.stopped,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "notes": [*dataset.notes, *history.notes],
        "excluded": [],
        "device": "cpu",
        "threads": plan.training.threads,
        "seconds": {"data": files.read_json(path / "run.json").get("data_seconds", 0.0), "training": trained.seconds},
    }
    files.write_json(path / "examples.json", {"words": _shown(vectors)})
    results["example"] = words_to_map(vectors)[0]
    results["next"] = [
        f"Ask for words that are near: `leadline similar {path} {results['example']}`",
        f"Judge them by a file of analogies or similarities: `leadline evaluate {path} questions-words.txt`",
        "Begin a network for texts with them: "
        f"`leadline train TEXTS --set model=averaged_embeddings --set start.vectors={path}`",
    ]
    files.write_json(path / "results.json", results)
    return results


def tell_words(results: dict[str, Any], observer: Observer) -> None:
    """The result in a line."""
    speed = results["words_per_second"]
    rate = f", learned at {speed:,.0f} words of text a second" if speed else ""
    observer.note("result", f"test loss {results['scores']['loss']['value']:.4g}, {results['vocabulary']:,} words{rate}")


def golden_words(dataset: Dataset) -> NDArray[np.int64]:
    """Some words whose vectors are kept with a Run to know it again, [4, 1]."""
    return np.flatnonzero(corpus_words_of(dataset.schema).counts)[:_GOLDEN, None].astype(np.int64)


def vectors_of(model: nn.Module, schema: Schema) -> WordVectors:
    """The vectors of all words that are known, the commonest first.

    Errors: `ArgumentError` for a network that was trained on anything else.
    """
    words, tables = corpus_words_of(schema), model
    rows = np.flatnonzero(words.counts)
    table: Any = tables
    return WordVectors(words.known, table.vectors.weight.detach().cpu().numpy()[rows])


def corpus_words_of(schema: Schema) -> CorpusWords:
    """How a text is read for its words.

    Errors: `ArgumentError` for a network that was trained on anything else.
    """
    if not isinstance(schema.inputs, CorpusWords):
        raise ArgumentError(
            "The network was not trained to learn words",
            expected="a Run of the task words",
            got=schema.inputs.describe(),
            do="Train one: leadline train TEXT.txt --task words.",
        )
    return schema.inputs


def evaluate_words(vectors: WordVectors, source: Any) -> dict[str, Any]:
    """What a file of analogies or similarities makes of word vectors, as `Run.evaluate` gives it.

    Errors: what `language.judge_words` raises; `DataError` where not one line has only words that are known.
    """
    if not isinstance(source, (str, Path)):
        raise DataError("Word vectors are judged by a file", expected="a path", got=type(source).__name__)
    judged = judge_words(vectors, source)
    if judged.score is None:
        raise DataError(
            f"{judged.name} asks nothing that these word vectors could answer",
            expected="words that come in the text that was learned from",
            got=f"{judged.asked} of {judged.total} lines with words that are all known"
            + (f" and among the {COMMON:,} commonest" if judged.kind == "analogies" else ""),
        )
    analogies = judged.kind == "analogies"
    metric = "accuracy" if analogies else "rank_correlation"
    low, high = _interval(judged.score, judged.asked, of_ranks=not analogies)
    score: dict[str, Any] = {"value": judged.score, "low": low, "high": high, "higher_is_better": True}
    score["title"] = "Right analogies" if analogies else "Rank correlation"
    among = f" and among the {COMMON:,} commonest" if analogies else ""
    known = f"{judged.asked:,} of {judged.total:,} have only words that are known{among}."
    return {
        "task": "words",
        "headline": metric,
        "classes": [],
        "scores": {metric: score},
        "note": known,
        "rows": judged.asked,
        "unit": "questions" if analogies else "pairs",
        "sections": judged.sections,
    }


def _interval(value: float, count: int, *, of_ranks: bool) -> tuple[float | None, float | None]:
    """A 95 % interval of a share of right answers (Wilson 1927) or of a rank correlation (Bonett and Wright 2000).

    Questions that share words are not independent, so the true one is somewhat wider.
    """
    if not of_ranks:
        middle, half = (
            value + _SURE**2 / (2 * count),
            _SURE * math.sqrt(value * (1 - value) / count + _SURE**2 / (4 * count**2)),
        )
        return (middle - half) / (1 + _SURE**2 / count), (middle + half) / (1 + _SURE**2 / count)
    if count < _FEWEST_PAIRS or abs(value) == 1:
        return None, None
    spread = _SURE * math.sqrt((1 + value**2 / 2) / (count - 3))
    return math.tanh(math.atanh(value) - spread), math.tanh(math.atanh(value) + spread)


def _shown(vectors: WordVectors) -> dict[str, Any]:
    """For the report: neighbours of some words that say something, and the map."""
    asked = words_to_map(vectors, 40 * _ASKED)
    step = max(1, len(asked) // _ASKED)
    chosen = asked[::step][:_ASKED]
    near = [
        {"word": word, "near": [[other.word, round(other.cosine, 3)] for other in vectors.most_similar(word, top=_NEAR)]}
        for word in chosen
        if len(vectors) > 1
    ]
    png = word_map_png(vectors)
    return {"near": near, "map": None if png is None else f"data:image/png;base64,{base64.b64encode(png).decode()}"}
