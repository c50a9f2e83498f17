"""Language models on a CPU: Penn Treebank by word in a given time, and Shakespeare by character against others in equal time.

`python language_model.py ptb [MINUTES [name=value …]]` trains on ptb.train.txt for so many minutes (30), all but the last, in
which 5-grams are counted and all is judged, and tells the perplexity on test: alone, and mixed with the 5-gram, by weights
chosen on validation; after that, apart, with a cache. `name=value` changes a setting: what was tried to find the proposed ones.
A setting is chosen by validation alone.

`python language_model.py shakespeare [MINUTES]` trains the same LSTM for so many minutes (5) with Leadline, with a plain
PyTorch script and with Keras on torch and on JAX, one after another, and a transformer with Leadline beside them: bits per
character on the last 5 % of the text.

The texts lie in the folder that LEADLINE_TEXTS names: ptb.train.txt, ptb.valid.txt, ptb.test.txt and shakespeare.txt. Keras
must be installed where the script runs.
"""

from __future__ import annotations

import ast
import json
import math
import os
import subprocess
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
from torch.nn import functional as F

from leadline.data.tokens.token_sources import TokenParts, read_token_parts
from leadline.data.tokens.token_streams import TokenStreams
from leadline.language import (
    NetworkForetelling,
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
from leadline.models.small_transformers import small_transformer
from leadline.optim import make_average, make_clip, make_optimizer, make_schedule
from leadline.training import Callback, run_loop

TEXTS = Path(os.environ.get("LEADLINE_TEXTS", "texts"))
JUDGING = 60.0  # seconds of the budget that are left for judging
STREAMS = 16  # parts of a text that are read side by side, each but the first without a past


@dataclass(frozen=True)
class Setting:
    """What is trained, and how."""

    cell: str = "lstm"
    embedding: int = 650
    hidden: int = 650
    layers: int = 2
    dropout: float = 0.45
    between_dropout: float = 0.2
    word_dropout: float = 0.05
    weight_drop: float = 0.2
    penalties: tuple[float, float] = (0.0, 0.0)
    samples: int = 1000
    full: float = 0.7  # from this share of the time on, the loss is that of all words
    batch: int = 32
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


SHAKESPEARE = Setting(
    embedding=256, hidden=256, layers=2, dropout=0.1, between_dropout=0.1, word_dropout=0.0, weight_drop=0.0,
    samples=0, batch=32, length=64, learning_rate=0.004, average="",
)  # fmt: skip


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
    return recurrent_language(
        len(parts.tokens.vocabulary), cell=setting.cell, embedding=setting.embedding, hidden=setting.hidden,
        layers=setting.layers, tied=setting.tied, dropout=setting.dropout, between_dropout=setting.between_dropout,
        word_dropout=setting.word_dropout, weight_drop=setting.weight_drop,
    )  # fmt: skip


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


def plain(parts: TokenParts, setting: Setting, seconds: float) -> tuple[nn.Module, int]:
    """What a person writes with PyTorch alone: the same layers, batches and clipping, Adam at a constant rate."""

    class Network(nn.Module):
        def __init__(self, vocabulary: int) -> None:
            super().__init__()
            self.embedding = nn.Embedding(vocabulary, setting.embedding)
            self.lstm = nn.LSTM(setting.embedding, setting.hidden, setting.layers, batch_first=True, dropout=setting.dropout)
            self.head = nn.Linear(setting.hidden, vocabulary)

        def forward(self, ids: Any, state: Any = None) -> Any:
            outputs, state = self.lstm(self.embedding(ids), state)
            return self.head(outputs), state

    model = Network(len(parts.tokens.vocabulary))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    usable = (len(parts.train) - 1) // setting.batch * setting.batch
    text = torch.from_numpy(np.asarray(parts.train).astype(np.int64))
    inputs, targets = text[:usable].view(setting.batch, -1), text[1 : usable + 1].view(setting.batch, -1)
    began, steps = time.perf_counter(), 0
    while True:
        state = None
        for at in range(0, inputs.shape[1], setting.length):
            optimizer.zero_grad()
            logits, state = model(inputs[:, at : at + setting.length], state)
            state = tuple(part.detach() for part in state)
            loss = F.cross_entropy(logits.flatten(0, 1), targets[:, at : at + setting.length].flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            steps += 1
            if time.perf_counter() - began > seconds:
                return model.eval(), steps


def plain_bits(model: nn.Module, ids: Any) -> float:
    text = torch.from_numpy(np.asarray(ids).astype(np.int64))
    with torch.inference_mode():
        logits, _ = model(text[None, :-1])
        return F.cross_entropy(logits[0], text[1:]).item() / math.log(2)


def keras_worker(kept: str, seconds: float) -> None:
    """The same in Keras, with the state carried on (`stateful`); prints bits per character and steps.

    On torch a stateful layer cannot be trained (Keras 3.15 changes its state in place while the gradient still needs it), so
    there each window of the training begins without a state.
    """
    import keras

    setting, record = SHAKESPEARE, json.loads((Path(kept) / "sizes.json").read_text())
    train, test = np.load(Path(kept) / "parts.npz")["train"], np.load(Path(kept) / "parts.npz")["test"]

    def build(batch: int, length: int, *, carried: bool) -> Any:
        x = inputs = keras.Input((length,), batch_size=batch, dtype="int32")
        x = keras.layers.Embedding(record["vocabulary"], setting.embedding)(x)
        for layer in range(setting.layers):
            x = keras.layers.LSTM(setting.hidden, return_sequences=True, stateful=carried)(x)
            x = keras.layers.Dropout(setting.dropout)(x) if layer + 1 < setting.layers else x
        return keras.Model(inputs, keras.layers.Dense(record["vocabulary"])(x))

    model = build(setting.batch, setting.length, carried=keras.backend.backend() != "torch")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002, clipnorm=1.0), loss)
    usable = (len(train) - 1) // (setting.batch * setting.length) * setting.length
    windows = [
        np.stack([train[shift + row * usable : shift + (row + 1) * usable] for row in range(setting.batch)]) for shift in (0, 1)
    ]
    # Batch k holds window k of each stream.
    x, y = (part.reshape(setting.batch, -1, setting.length).swapaxes(0, 1).reshape(-1, setting.length) for part in windows)
    model.train_on_batch(x[: setting.batch], y[: setting.batch])  # what is compiled is not in the time
    model.reset_states() if hasattr(model, "reset_states") else None

    class Stop(keras.callbacks.Callback):
        steps, began = 0, time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.steps += 1
            if time.perf_counter() - self.began > seconds:
                self.model.stop_training = True

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            for layer in self.model.layers:
                if hasattr(layer, "reset_state"):
                    layer.reset_state()

    stop = Stop()
    while not getattr(model, "stop_training", False):
        model.fit(x, y, batch_size=setting.batch, epochs=1, shuffle=False, verbose=0, callbacks=[stop])
    judge = build(1, 100, carried=True)
    judge.set_weights(model.get_weights())
    total = count = 0.0
    for at in range(0, len(test) - 101, 100):
        logits = np.asarray(judge.predict_on_batch(test[None, at : at + 100]))[0].astype(np.float64)
        log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        total -= log_p[np.arange(100), test[at + 1 : at + 101]].sum()
        count += 100
    print(json.dumps({"bits": total / count / math.log(2), "steps": stop.steps}))


def shakespeare(minutes: float) -> None:
    setting, seconds = SHAKESPEARE, 60 * minutes
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        parts = read_token_parts(TEXTS / "shakespeare.txt", Path(folder) / "kept", by="characters")
        networks = {
            "leadline LSTM": recurrent(parts, setting),
            "leadline transformer": small_transformer(len(parts.tokens.vocabulary), width=192, heads=6, blocks=4, context=192),
        }
        for name, model in networks.items():
            chosen = (
                setting if "LSTM" in name else replace(setting, length=128, learning_rate=0.002, optimizer="adamw(beta2=0.99)")
            )
            told = trained(model, parts, chosen, seconds)
            found[name] = {"bits": judged(model, parts)["test_bits"], "steps": told["steps"]}
            print(name, found[name], flush=True)
        network, steps = plain(parts, setting, seconds)
        found["plain PyTorch"] = {"bits": plain_bits(network, parts.test), "steps": steps}
        print("plain PyTorch", found["plain PyTorch"], flush=True)
        np.savez(Path(folder) / "parts.npz", train=np.asarray(parts.train, np.int32), test=np.asarray(parts.test, np.int32))
        (Path(folder) / "sizes.json").write_text(json.dumps({"vocabulary": len(parts.tokens.vocabulary)}))
        for backend in ("jax", "torch"):
            ran = subprocess.run(
                [sys.executable, __file__, "--keras", folder, str(seconds)],
                env={**os.environ, "KERAS_BACKEND": backend},
                capture_output=True,
                text=True,
                check=False,
            )
            lines = ran.stdout.strip().splitlines()
            found[f"keras on {backend}"] = json.loads(lines[-1]) if ran.returncode == 0 else {"failed": ran.stderr[-500:]}
            print(f"keras on {backend}", found[f"keras on {backend}"], flush=True)
    write(
        "language_model_shakespeare",
        {"machine": machine("keras", "jax"), "minutes": minutes, "setting": asdict(setting), "bits_per_character": found},
    )


def main() -> None:
    verb, *rest = sys.argv[1:] or ["ptb"]
    if verb == "--keras":
        keras_worker(rest[0], float(rest[1]))
        return
    changes = dict(pair.split("=", 1) for pair in rest if "=" in pair)
    minutes = [float(word) for word in rest if "=" not in word]
    if verb == "ptb":
        ptb(minutes[0] if minutes else 30.0, {name: _value(text) for name, text in changes.items()})
    elif verb == "shakespeare":
        shakespeare(minutes[0] if minutes else 5.0)
    else:
        sys.exit(__doc__)


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


if __name__ == "__main__":
    main()
