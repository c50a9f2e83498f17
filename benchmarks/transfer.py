"""Twenty epochs of a new head on a frozen network: features kept, against passing the pictures through it every epoch.

    LEADLINE_DATA=… python benchmarks/transfer.py [squeezenet] [resnet18]

SqueezeNet 1.1 with its ImageNet weights, and for time alone a ResNet-18 with random ones, on 736 photos of flowers at 128
pixels, split alike for all. In turn, each in a process of its own:

*leadline*: photos decoded once, features of the training and validation photos computed once and kept, the head solved over
its grid of penalties. Beside the whole, what it takes where the photos are decoded already, and where features are kept, too.
*Keras*: the usual script on its torch backend: photos opened every epoch, frozen base, `Dense`, Adam, validation each epoch.
*PyTorch by hand*: decoded pictures in memory, 20 passes without gradients, a linear layer with Adam, validation each epoch.

On ResNet-18, whose epochs are alike and whose score says nothing, the peers run 5 epochs, and their seconds are taken 4 times.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import RESULTS, machine, spread, write
from processes import Process
from torch import Tensor, nn
from torch.nn import functional as F

from leadline import data, metrics, models
from leadline.models import IMAGENET_MEAN, IMAGENET_STD
from leadline.transfer import check_features, cut, fit_head_grid, keep_features

DATA = Path(os.environ.get("LEADLINE_DATA", "data"))
FLOWERS, WEIGHTS = DATA / "photos" / "flowers", DATA / "weights"
SIDE, EPOCHS, BATCH, CLASSES = 128, 20, 32, 5
ROUNDS = {"squeezenet": 3, "resnet18": 1}
TIMED = {"squeezenet": EPOCHS, "resnet18": 5}  # epochs of the peers
FEATURES = {"squeezenet": 512, "resnet18": 512}


def frozen(name: str) -> nn.Module:
    """The network without its head, [N, 3, 128, 128] → [N, 512]: the mean of its last maps."""
    torch.manual_seed(0)
    network = getattr(models, name)(1000).eval()
    if name == "squeezenet":
        models.load_weights(network, next(WEIGHTS.glob("*queeze*.h5")), head="new")
    return cut(network, "features" if name == "squeezenet" else "layer4", (3, SIDE, SIDE))


def flowers(cache: str | None = None) -> data.Dataset:
    """The photos, prepared as ImageNet's networks want them."""
    made = data.load(FLOWERS, size=SIDE, cache=cache)
    known = {"mean": tuple(255 * each for each in IMAGENET_MEAN), "std": tuple(255 * each for each in IMAGENET_STD)}
    return replace(made, schema=replace(made.schema, inputs=replace(made.schema.inputs, **known)))  # type: ignore[arg-type]


def prepared(split: data.Split, dataset: data.Dataset) -> tuple[Tensor, Tensor]:
    preparer = dataset.schema.inputs.preparer(torch.device("cpu"))
    return preparer(torch.from_numpy(np.asarray(split.inputs))), torch.from_numpy(np.asarray(split.targets))


def passed(network: nn.Module, inputs: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([network(part) for part in inputs.split(BATCH)])


# Each competitor trains a head once and says how long it took and what it reaches.


def by_leadline(name: str) -> dict[str, float]:
    network = frozen(name)
    told: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as cache:
        began = time.perf_counter()
        dataset = flowers(cache)
        decoded = time.perf_counter()
        head = _solved(network, dataset, cache)
        done = time.perf_counter()
        _solved(network, dataset, cache)
        told |= {"seconds": done - began, "decoded": done - decoded, "kept": time.perf_counter() - done}
        test = keep_features(network, dataset.test, dataset.schema, cache=cache)
        kept = keep_features(network, dataset.train, dataset.schema, cache=cache)
        told["kept_and_live_differ"] = check_features(network, kept, dataset.train, dataset.schema, head=head)
        targets = torch.from_numpy(np.asarray(dataset.test.targets))
        with torch.no_grad():
            told["test_accuracy"] = float(metrics.accuracy(head(test.rows()), targets))
    return told


def _solved(network: nn.Module, dataset: data.Dataset, cache: str) -> nn.Module:
    train, valid = (keep_features(network, part, dataset.schema, cache=cache) for part in (dataset.train, dataset.valid))
    targets = [torch.from_numpy(np.asarray(part.targets)) for part in (dataset.train, dataset.valid)]
    return fit_head_grid(train.rows(), targets[0], valid.rows(), targets[1], dataset.schema.answers).head


def by_hand(name: str) -> dict[str, float]:
    network, dataset = frozen(name), flowers()
    (inputs, targets), (valid, valid_targets), (test, test_targets) = (
        prepared(part, dataset) for part in (dataset.train, dataset.valid, dataset.test)
    )
    head = nn.Linear(FEATURES[name], CLASSES)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    began = time.perf_counter()
    scores = []
    for _ in range(TIMED[name]):
        for rows in torch.randperm(len(inputs)).split(BATCH):
            with torch.no_grad():
                features = network(inputs[rows])
            optimizer.zero_grad()
            F.cross_entropy(head(features), targets[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            scores.append(float(metrics.accuracy(head(passed(network, valid)), valid_targets)))
    seconds = EPOCHS / TIMED[name] * (time.perf_counter() - began)
    with torch.no_grad():
        reached = float(metrics.accuracy(head(passed(network, test)), test_targets))
    return {"seconds": seconds, "valid_accuracy": scores[-1], "test_accuracy": reached}


def by_keras(name: str) -> dict[str, float]:
    import keras

    network, dataset = frozen(name), flowers()
    opening = [0.0]

    class Photos(keras.utils.PyDataset):  # type: ignore[misc]
        """Batches of photos, each opened when it is asked for, as `flow_from_directory` does."""

        def __init__(self, split: data.Split, *, shuffle: bool) -> None:
            super().__init__()
            self.split, self.shuffle = split, shuffle
            self.order = np.random.permutation(len(split)) if shuffle else np.arange(len(split))

        def __len__(self) -> int:
            return -(-len(self.split) // BATCH)

        def __getitem__(self, at: int) -> tuple[Any, Any]:
            start = time.perf_counter()
            rows = self.order[at * BATCH : (at + 1) * BATCH]
            photos = [
                keras.utils.load_img(FLOWERS / self.split.ids[row], target_size=(SIDE, SIDE), keep_aspect_ratio=True)
                for row in rows
            ]
            inputs = np.stack([keras.utils.img_to_array(photo) for photo in photos])
            inputs = (inputs / 255 - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
            opening[0] += time.perf_counter() - start
            return inputs, np.asarray(self.split.targets)[rows]

        def on_epoch_end(self) -> None:
            if self.shuffle:
                np.random.shuffle(self.order)

    base = KERAS[name](keras)
    if name == "squeezenet":
        _like_torch(base, network)
        some = prepared(dataset.train.take(np.arange(8)), dataset)[0]
        ours, theirs = passed(network, some).numpy(), base.predict(some.permute(0, 2, 3, 1).numpy(), verbose=0)
        assert np.abs(ours - theirs).max() < 1e-3 * np.abs(ours).max(), "the two networks differ"
    base.trainable = False
    inputs = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(inputs, keras.layers.Dense(CLASSES, activation="softmax")(base(inputs, training=False)))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    train, valid = Photos(dataset.train, shuffle=True), Photos(dataset.valid, shuffle=False)
    began = time.perf_counter()
    history = model.fit(train, validation_data=valid, epochs=TIMED[name], verbose=0)
    scale = EPOCHS / TIMED[name]
    seconds, opened = scale * (time.perf_counter() - began), scale * opening[0]
    reached = model.evaluate(Photos(dataset.test, shuffle=False), verbose=0)[1]
    scores = {"valid_accuracy": float(history.history["val_accuracy"][-1]), "test_accuracy": float(reached)}
    return {"seconds": seconds, "opening_share": opened / seconds, **scores}


def keras_squeezenet(keras: Any) -> Any:
    layers = keras.layers

    def fire(x: Any, squeezed: int, expanded: int) -> Any:
        x = layers.Conv2D(squeezed, 1, activation="relu")(x)
        sides = [layers.Conv2D(expanded, size, padding="same", activation="relu")(x) for size in (1, 3)]
        return layers.Concatenate()(sides)

    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.MaxPooling2D(3, 2)(layers.Conv2D(64, 3, 2, activation="relu")(inputs))
    x = layers.MaxPooling2D(3, 2)(fire(fire(x, 16, 64), 16, 64))
    x = layers.MaxPooling2D(3, 2)(fire(fire(x, 32, 128), 32, 128))
    for squeezed, expanded in ((48, 192), (48, 192), (64, 256), (64, 256)):
        x = fire(x, squeezed, expanded)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


def _like_torch(base: Any, network: nn.Module) -> None:
    """The weights of the torch network, convolution by convolution, into the one of Keras."""
    theirs = [layer for layer in base.layers if type(layer).__name__ == "Conv2D"]
    ours = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    for layer, convolution in zip(theirs, ours, strict=True):
        assert convolution.bias is not None
        layer.set_weights(
            [convolution.weight.detach().permute(2, 3, 1, 0).numpy(), convolution.bias.detach().numpy()]
        )  # fmt: skip


def keras_resnet18(keras: Any) -> Any:
    layers = keras.layers

    def convolve(x: Any, filters: int, size: int, stride: int = 1) -> Any:
        return layers.BatchNormalization()(layers.Conv2D(filters, size, stride, padding="same", use_bias=False)(x))

    def block(x: Any, filters: int, stride: int) -> Any:
        y = convolve(layers.ReLU()(convolve(x, filters, 3, stride)), filters, 3)
        x = x if stride == 1 and x.shape[-1] == filters else convolve(x, filters, 1, stride)
        return layers.ReLU()(layers.Add()([x, y]))

    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.MaxPooling2D(3, 2, padding="same")(layers.ReLU()(convolve(inputs, 64, 7, 2)))
    for stage, filters in enumerate((64, 128, 256, 512)):
        x = block(block(x, filters, 1 if stage == 0 else 2), filters, 1)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


KERAS: dict[str, Callable[[Any], Any]] = {"squeezenet": keras_squeezenet, "resnet18": keras_resnet18}
WAYS: dict[str, tuple[Callable[[str], dict[str, float]], dict[str, str]]] = {
    "leadline": (by_leadline, {}),
    "PyTorch by hand": (by_hand, {}),
    "Keras": (by_keras, {"KERAS_BACKEND": "torch"}),
}


def serve(way: str, name: str) -> None:
    """One whole training for each line on standard input."""
    said = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not come between the numbers
    for _ in sys.stdin:
        os.write(said, f"{json.dumps(WAYS[way][0](name))}\n".encode())


def compare(name: str) -> dict[str, Any]:
    tools = {way: Process("transfer.py", "--serve", way, name, **environment) for way, (_, environment) in WAYS.items()}
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in tools}
    for _ in range(ROUNDS[name]):
        for way, tool in tools.items():
            taken[way].append(tool.ask("train"))
            print(f"  {name}, {way}: {taken[way][-1]}", flush=True)
    for tool in tools.values():
        tool.close()
    record: dict[str, Any] = {way: {key: spread([run[key] for run in runs]) for key in runs[0]} for way, runs in taken.items()}
    median = {way: {key: value["median"] for key, value in told.items()} for way, told in record.items()}
    ours = median["leadline"]
    record["times_keras"] = round(median["Keras"]["seconds"] / ours["seconds"], 1)
    record["times_passes_over_decoded"] = round(median["PyTorch by hand"]["seconds"] / ours["decoded"], 1)
    record["times_passes_where_features_are_kept"] = round(median["PyTorch by hand"]["seconds"] / ours["kept"], 1)
    opened = median["Keras"]["opening_share"]
    print(f"  {name}: Keras takes {record['times_keras']} times as long, photos being opened in {opened:.0%} of it")
    print(f"  {name}: passes over decoded pictures take {record['times_passes_over_decoded']} times as long")
    return record


def main() -> None:
    warnings.filterwarnings("ignore")
    given = sys.argv[1:]
    if given[:1] == ["--serve"]:
        serve(*given[1:])
        return
    path = RESULTS / "transfer.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    record |= {"machine": machine("keras"), "photos": 736, "side": SIDE, "epochs": EPOCHS}
    for name in given or list(KERAS):
        record[name] = compare(name)
        write("transfer", record)


if __name__ == "__main__":
    main()
