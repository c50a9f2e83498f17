"""A language model on a CPU: the Penn Treebank by word in a given time, alone, mixed with n-grams, and with a cache.

`python language_model.py [MINUTES [name=value …]]` trains on ptb.train.txt for so many minutes (30), all but the last, in which
5-grams are counted and all is judged, and tells the perplexity on test: alone, and mixed with the 5-gram, by weights chosen on
validation; after that, apart, with a cache. `name=value` changes a setting: what was tried to find the proposed ones. A setting
is chosen by validation alone.

The texts lie in the folder that LEADLINE_TEXTS names: ptb.train.txt, ptb.valid.txt and ptb.test.txt.
"""

from __future__ import annotations

import ast
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from machine import machine, write
from torch import nn

from leadline.data.tokens.token_sources import TokenParts, read_token_parts
from leadline.data.tokens.token_streams import TokenStreams
from leadline.initialize import set_prior_bias
from leadline.language import (
    NetworkForetelling,
    begin_with_text,
    cache_surprises,
    fit_cache,
    fit_gate,
    fit_mixture,
    fit_ngrams,
    mixed_surprises,
    surprises_and_signs,
)
from leadline.models.language_networks import recurrent_language
from leadline.models.language_steps import LanguageStep, StreamEvaluation, as_language_model
from leadline.optim import make_average, make_clip, make_optimizer, make_schedule
from leadline.training import Callback, run_loop

TEXTS = Path(os.environ.get("LEADLINE_TEXTS", "texts"))
JUDGING = 60.0  # seconds of the budget that are left for judging
STREAMS = 16  # parts of a text that are read side by side, each but the first without a past


@dataclass(frozen=True)
class Setting:
    """What is trained, and how."""

    cell: str = "lstm"
    vectors: int = 10  # epochs of word2vec on the same text, with whose vectors the network begins; 0 for none
    embedding: int = 400
    hidden: int = 650
    layers: int = 2
    dropout: float = 0.45
    between_dropout: float = 0.2
    word_dropout: float = 0.05
    weight_drop: float = 0.2
    penalties: tuple[float, float] = (0.0, 0.0)
    samples: int = 1000
    full: float = 0.7  # from this share of the time on, the loss is that of all words
    batch: int = 20
    length: int = 35
    variable: bool = True
    tied: bool = True
    optimizer: str = "adam(beta2=0.99)"
    learning_rate: float = 0.002
    momentum: float = 0.9
    weight_decay: float = 1e-6
    schedule: str = "one_cycle(0.1)"
    clip: str = "1.0"
    average: str = "ema"
    precision: str = "auto"  # half where the processor has it: a step of the LSTM of 512 units is 1.6 times as fast, sampled


class Clock(Callback):
    """Stops when the time is over; tells the share of it that has passed."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began, self.told, self.steps = seconds, time.perf_counter(), 0.0, 0

    def share(self, _: float = 0.0) -> float:
        return min(1.0, (time.perf_counter() - self.began) / self.seconds)

    def batch_end(self, now: Any) -> str | None:
        self.steps = now.step
        if time.perf_counter() - self.told > 30:
            self.told = time.perf_counter()
            print(f"  {self.told - self.began:6.0f} s  step {now.step:6d}  epoch {now.step / now.steps_per_epoch:6.2f}")
        return "the time is over" if self.share() >= 1 else None


def trained(
    model: nn.Module, parts: TokenParts, setting: Setting, seconds: float, schedule: Callable[[float], float] | None = None
) -> dict[str, Any]:
    """Train for so many seconds, by the schedule of the setting or another one of the time; what it came to."""
    clock = Clock(seconds)
    schedule = schedule or make_schedule(setting.schedule)
    optimizer = make_optimizer(
        setting.optimizer, model, learning_rate=setting.learning_rate, momentum=setting.momentum,
        weight_decay=setting.weight_decay
    )  # fmt: skip
    inner = LanguageStep(
        model,
        optimizer,
        schedule=lambda _: schedule(clock.share()),
        clip=make_clip(setting.clip),
        penalties=setting.penalties,
        samples=setting.samples,
        nominal_length=setting.length,
        precision=precision_of(setting),
    )

    class AllWords(Callback):
        def batch_end(self, now: Any) -> None:
            if clock.share() > setting.full:
                inner.samples = 0

    streams = TokenStreams(
        parts.train, setting.batch, length=setting.length, variable=setting.variable, start=parts.tokens.start,
        device=next(model.parameters()).device,
    )  # fmt: skip
    history = run_loop(make_average(setting.average, inner), streams, epochs=10_000, callbacks=[AllWords(), clock])
    model.eval()
    epochs = clock.steps / len(streams)
    return {
        "steps": clock.steps,
        "epochs": round(epochs, 2),
        "training_loss": history["loss"][-1] if len(history) else None,
        "tokens_per_second": round(epochs * streams.rows / seconds),
    }


def precision_of(setting: Setting) -> torch.dtype:
    """Half precision where the processor multiplies in it; without that it is slower than single."""
    if setting.precision != "auto":
        return getattr(torch, setting.precision)  # type: ignore[no-any-return]
    cpuinfo = Path("/proc/cpuinfo")
    known = cpuinfo.read_text() if cpuinfo.exists() else ""
    return torch.bfloat16 if "avx512_bf16" in known or "amx_bf16" in known else torch.float32


def judged(model: nn.Module, parts: TokenParts) -> dict[str, float]:
    columns: dict[str, float] = {}
    for name, ids in (("valid", parts.valid), ("test", parts.test)):
        device = next(model.parameters()).device
        streams = TokenStreams(ids, STREAMS, length=64, whole=True, start=parts.tokens.start, device=device)
        columns |= StreamEvaluation(model, streams, prefix=f"{name}_")()
    return columns


class Read(NamedTuple):
    """A part of the text: its tokens, the surprises of network and n-grams at them [N, 2], and the signs of both [N, S]."""

    ids: Any
    surprises: Any
    signs: Any


def with_ngrams(model: nn.Module, parts: TokenParts) -> tuple[dict[str, Any], Read, Read]:
    """Perplexity on test of the network, of a 5-gram, and of both by weights from validation: the same for all, or by token."""
    began = time.perf_counter()
    counted = fit_ngrams(parts.train, len(parts.tokens.vocabulary), order=5, boundary=parts.tokens.start).model
    building = time.perf_counter() - began
    models = [NetworkForetelling(model, start=parts.tokens.start, streams=STREAMS), counted]
    valid, test = (Read(np.asarray(ids), *surprises_and_signs(models, ids)) for ids in (parts.valid, parts.test))
    found: dict[str, Any] = {"ngram_building_seconds": building}
    for number, name in enumerate(("network", "ngram")):
        found[name] = {"test_perplexity": math.exp(test.surprises[:, number].mean())}
    found["network + ngram"] = mixed(valid.surprises, test.surprises)
    weights = fit_gate(valid.surprises, valid.signs).weights(test.signs)
    perplexity = math.exp(mixed_surprises(test.surprises, weights).mean())
    found["network + ngram, by token"] = {"test_perplexity": perplexity, "weights": weights.mean(axis=0).tolist()}
    return found, valid, test


def mixed(of_valid: Any, of_test: Any) -> dict[str, Any]:
    weights = fit_mixture(of_valid)
    return {"test_perplexity": math.exp(mixed_surprises(of_test, weights).mean()), "weights": weights.tolist()}


def with_cache(model: nn.Module, valid: Read, test: Read) -> dict[str, Any]:
    """The same with a cache of what was read: its size, θ and weights chosen on validation."""
    width = as_language_model(model).head.in_features
    given = [(torch.from_numpy(part.signs[:, :width]), torch.from_numpy(part.ids.astype(np.int64))) for part in (valid, test)]
    fit = fit_cache(*given[0], valid.surprises[:, 0])
    cached = [cache_surprises(*each, flatness=fit.flatness, size=fit.size)[:, None] for each in given]
    found: dict[str, Any] = {"cache": fit._asdict()}
    for name, kept in (("network + cache", 1), ("network + ngram + cache", 2)):
        columns = (
            np.concatenate([part.surprises[:, :kept], more], axis=1) for part, more in zip((valid, test), cached, strict=True)
        )
        found[name] = mixed(*columns)
    return found


def recurrent(parts: TokenParts, setting: Setting) -> nn.Module:
    model = recurrent_language(
        len(parts.tokens.vocabulary), cell=setting.cell, embedding=setting.embedding, hidden=setting.hidden,
        layers=setting.layers, tied=setting.tied, dropout=setting.dropout, between_dropout=setting.between_dropout,
        word_dropout=setting.word_dropout, weight_drop=setting.weight_drop,
    )  # fmt: skip
    if setting.vectors:
        begin_by_counts(model, parts, setting)
    return model


def begin_by_counts(model: nn.Module, parts: TokenParts, setting: Setting) -> None:
    """Begin with what is known of single words in seconds: vectors by word2vec, around their mean, and how often each comes."""
    text, words = np.asarray(parts.train), parts.tokens.vocabulary.words
    counts = np.bincount(text, minlength=len(words))
    table = next(module for module in model.modules() if isinstance(module, nn.Embedding))
    begin_with_text(table, words, text, epochs=setting.vectors, threads=torch.get_num_threads())
    set_prior_bias(as_language_model(model).head, torch.from_numpy(counts / counts.sum()), task="classes")


def ptb_parts(folder: Path) -> TokenParts:
    """The Penn Treebank by word, kept in `folder`."""
    chosen = folder / "ptb"
    chosen.mkdir()
    for part in ("train", "valid", "test"):
        (chosen / f"ptb.{part}.txt").symlink_to((TEXTS / f"ptb.{part}.txt").absolute())
    return read_token_parts(chosen, folder / "kept", by="spaced words")


def ptb(minutes: float, changes: dict[str, Any]) -> None:
    setting, began = replace(Setting(), **changes), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        parts = ptb_parts(Path(folder))
        torch.manual_seed(0)
        model = recurrent(parts, setting)
        told = trained(model, parts, setting, 60 * minutes - JUDGING - (time.perf_counter() - began))
        record = {"minutes": minutes, "setting": asdict(setting), **told}
        record["beside_others"], valid, test = with_ngrams(model, parts)
        record["seconds_in_all"] = round(time.perf_counter() - began, 1)
        record |= judged(model, parts)
        print(json.dumps(record), flush=True)
        if not changes:
            record["beside_others"] |= with_cache(model, valid, test)
            print(json.dumps(record["beside_others"]))
            write("language_model_ptb", {"machine": machine(), **record})


def main() -> None:
    changes = dict(pair.split("=", 1) for pair in sys.argv[1:] if "=" in pair)
    minutes = [float(word) for word in sys.argv[1:] if "=" not in word]
    ptb(minutes[0] if minutes else 30.0, {name: _value(text) for name, text in changes.items()})


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


if __name__ == "__main__":
    main()
