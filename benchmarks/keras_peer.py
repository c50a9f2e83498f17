"""Keras 3 on the backend that KERAS_BACKEND names: trains one epoch for each line on standard input and prints its seconds."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import keras
import numpy as np

SHAPES = {
    "mlp": ((28, 28, 1), 100),
    "three_convolutions": ((32, 32, 3), 20),
    "resnet20": ((32, 32, 3), 6),
    "lstm": ((28, 28), 40),
}
BATCH = 64


def mlp(x: Any) -> Any:
    return keras.layers.Dense(10)(keras.layers.Dense(128, activation="relu")(keras.layers.Flatten()(x)))


def three_convolutions(x: Any) -> Any:
    for filters in (16, 32, 64):
        x = keras.layers.MaxPooling2D(2)(keras.layers.Conv2D(filters, 2, padding="same", activation="relu")(x))
    x = keras.layers.Dropout(0.4)(
        keras.layers.Dense(500, activation="relu")(keras.layers.Flatten()(keras.layers.Dropout(0.3)(x)))
    )
    return keras.layers.Dense(10)(x)


def resnet20(x: Any) -> Any:
    def convolve(x: Any, filters: int, stride: int = 1) -> Any:
        return keras.layers.BatchNormalization()(keras.layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x))

    x = keras.layers.ReLU()(convolve(x, 16))
    for filters in (16, 32, 64):
        for block in range(3):
            stride = 2 if block == 0 and filters > 16 else 1
            y = convolve(keras.layers.ReLU()(convolve(x, filters, stride)), filters)
            if stride == 2:
                every_other = keras.layers.AveragePooling2D(1, 2)(x)
                x = keras.layers.Concatenate()([every_other, keras.layers.Rescaling(0.0)(every_other)])
            x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    return keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x))


def lstm(x: Any) -> Any:
    return keras.layers.Dense(10)(keras.layers.LSTM(128)(x))


def main() -> None:
    name = sys.argv[1]
    shape, steps = SHAPES[name]
    inputs = keras.Input(shape)
    model = keras.Model(inputs, globals()[name](inputs))
    model.compile(
        optimizer=keras.optimizers.AdamW(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(steps * BATCH, *shape)).astype(np.float32)
    targets = generator.integers(0, 10, steps * BATCH)
    for _ in sys.stdin:
        began = time.perf_counter()
        model.fit(rows, targets, batch_size=BATCH, epochs=1, verbose=0)
        print(json.dumps(time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
