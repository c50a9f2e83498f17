"""Language models on a CPU by character: Shakespeare, against others in equal time.

`python shakespeare.py [MINUTES]` trains the same LSTM for so many minutes (5) with Leadline, with a plain PyTorch script and
with Keras on torch and on JAX, one after another, and a transformer with Leadline beside them: bits per character on the last
5 % of shakespeare.txt in the folder that LEADLINE_TEXTS names. Keras must be installed where the script runs.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from language_model import TEXTS, Setting, judged, recurrent, trained
from machine import machine, write
from torch import nn
from torch.nn import functional as F

from leadline.data.tokens.token_sources import TokenParts, read_token_parts
from leadline.models.small_transformers import small_transformer

SHAKESPEARE = Setting(
    vectors=0, embedding=256, hidden=256, layers=2, dropout=0.1, between_dropout=0.1, word_dropout=0.0, weight_drop=0.0,
    samples=0, batch=32, length=64, learning_rate=0.004, average="",
)  # fmt: skip


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
    if sys.argv[1:2] == ["--keras"]:
        keras_worker(sys.argv[2], float(sys.argv[3]))
    else:
        shakespeare(float(sys.argv[1]) if sys.argv[1:] else 5.0)


if __name__ == "__main__":
    main()
