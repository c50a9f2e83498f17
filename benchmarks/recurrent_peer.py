"""One recurrent layer in Keras on the backend that KERAS_BACKEND names: for each line on standard input some training steps.

`python recurrent_peer.py CELL STEPS HIDDEN BATCH FEATURES NUMBER` prints the seconds that NUMBER training steps took.
"""

from __future__ import annotations

import json
import sys
import time

import keras
import numpy as np


def main() -> None:
    cell, (steps, hidden, batch, features, number) = sys.argv[1], map(int, sys.argv[2:])
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](hidden)
    inputs = keras.Input((steps, features))
    model = keras.Model(inputs, keras.layers.Dense(10)(layer(inputs)))
    model.compile(optimizer=keras.optimizers.AdamW(1e-3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(number * batch, steps, features)).astype(np.float32)
    targets = generator.integers(0, 10, number * batch)
    for _ in sys.stdin:
        began = time.perf_counter()
        model.fit(rows, targets, batch_size=batch, epochs=1, verbose=0, shuffle=False)
        print(json.dumps(time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
