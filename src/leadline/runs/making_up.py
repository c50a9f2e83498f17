"""What a network of a Run makes up, pictures or rows: as it is stored, as it is shown, and as files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from leadline import files
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Inputs, Schema
from leadline.data.tables.table import Table
from leadline.data.unlabelled.unit_inputs import UnitPictures
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, RunExistsError, unknown
from leadline.explain.overlays import Bytes
from leadline.models import Generates, made_inputs

Rows = NDArray[Any] | list[dict[str, str]]
"""Pictures [N, H, W, C] or rows of numbers [N, D] as they are stored; of a table text by column."""


def made_up(
    model: nn.Module,
    schema: Schema,
    number: int,
    *,
    seed: int = 0,
    classes: Sequence[str] = (),
    steps: int | None = None,
) -> Rows:
    """What a network makes up, of the type and in the units of what it learned from: pictures, or rows.

    Args:
        model: that makes inputs up: see `models.Generates`.
        schema: of its training.
        number: of pictures or rows.
        seed: the same one gives the same again.
        classes: names; they go round, and a network that knows classes goes round all of them where none is named.
        steps: of the chains of a Boltzmann machine.

    Errors: `ArgumentError` for a network that makes nothing up, a class that it does not know, or steps where it has none.
    """
    if not isinstance(model, Generates):
        again = schema.task == "reconstruct"
        other = ".variational=true" if isinstance(schema.inputs, Table) else "=variational_autoencoder"
        raise ArgumentError(
            f"The network of this Run {'tells its inputs again, but' if again else 'answers, and'} makes nothing up",
            expected="a Run of the task generate, of a variational autoencoder or of a Boltzmann machine",
            got=f"a network of the task {schema.task!r}: {type(model).__name__}",
            do="Train one: leadline train SOURCE --task " + (f"reconstruct --set model{other}." if again else "generate."),
        )
    made = made_inputs(model, number, seed=seed, classes=class_numbers(schema, classes, number), steps=steps)
    return in_own_units(schema.inputs, made)


def in_own_units(inputs: Inputs, made: Tensor) -> Rows:
    """Inputs as a network tells them, in the units of the data: bytes of pictures, numbers, or of a table text by column.

    Args:
        inputs: of the Schema.
        made: [N, *shape], on any device.

    Example:
        >>> import torch
        >>> in_own_units(Vectors((1.0, 0.0), (2.0, 1.0)), torch.tensor([[0.5, 3.0]])).tolist()
        [[2.0, 3.0]]
    """
    if isinstance(inputs, Table):
        return [inputs.words(row) for row in made.float().cpu().numpy()]
    assert isinstance(inputs, Pictures | Vectors)
    return inputs.restored(made)


def class_numbers(schema: Schema, names: Sequence[str], number: int) -> list[int] | None:
    """The class of each of so many pictures, the named ones going round; None where none is named.

    Args:
        schema: whose answers have the names.
        names: of classes.
        number: of pictures.

    Errors: `ArgumentError` for a name that is none of the training's.

    Example:
        >>> inputs = Pictures(8, 8, 1, "uint8", (8.0,), (8.0,))
        >>> class_numbers(Schema(inputs, Drawings(("rose", "tulip"))), ["tulip"], 3)
        [1, 1, 1]
    """
    if not names:
        return None
    known = list(schema.answers.names) if isinstance(schema.answers, Drawings) else []
    for name in names:
        if known and name not in known:
            unknown("class", name, known)
    # A network without classes refuses a class by itself, in words of its own.
    numbers = [known.index(name) if known else 0 for name in names]
    return [numbers[at % len(numbers)] for at in range(number)]


def shown_bytes(stored: NDArray[Any], schema: Schema) -> Bytes:
    """Stored pictures as bytes to be looked at, [N, H, W, C]: the range of what was learned from fills that of bytes.

    Args:
        stored: as `made_up` gives them.
        schema: of the training.

    Example:
        >>> inputs = Pictures(1, 2, 1, "uint8", (8.0,), (8.0,))
        >>> shown_bytes(np.array([0, 16], np.uint8).reshape(1, 1, 2, 1), Schema(inputs, Drawings())).ravel().tolist()
        [0, 255]
    """
    inputs = schema.inputs
    assert isinstance(inputs, Pictures)
    values = np.asarray(stored, np.float64)
    # Drawings are seen from −1 to 1, pictures that are told again from 0 to 1.
    low, high = inputs.mean[0] - (0 if isinstance(inputs, UnitPictures) else inputs.std[0]), inputs.mean[0] + inputs.std[0]
    shades: Bytes = np.floor((values - low) / max(high - low, 1e-12) * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return shades


def prepared_bytes(pictures: Tensor, schema: Schema) -> Bytes:
    """The same of pictures [N, C, H, W] as the network sees them.

    Args:
        pictures: on any device.
        schema: of the training.
    """
    inputs = schema.inputs
    assert isinstance(inputs, Pictures)
    return shown_bytes(inputs.restored(pictures), schema)


def png_bytes(picture: Bytes) -> bytes:
    """One picture [H, W, C] as a PNG file.

    Example:
        >>> png_bytes(np.zeros((2, 2, 1), np.uint8))[1:4]
        b'PNG'
    """
    channels = picture.shape[2]
    buffer = io.BytesIO()
    Image.fromarray(picture[:, :, 0] if channels == 1 else picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def save_one_by_one(pictures: Bytes, names: Sequence[str], folder: Path) -> list[Path]:
    """Write each picture into a file of its own in a folder that is new or has no file of these names.

    Args:
        pictures: [N, H, W, C].
        names: of the files, without ending.
        folder: made where it is missing.

    Errors: `RunExistsError` where one of the files is there already; `StorageError`.
    """
    paths = [folder / f"{name}.png" for name in names]
    if there := [path for path in paths if path.exists()]:
        raise RunExistsError(f"{there[0]} exists already", do="Choose another folder with --out, or remove it first.")
    with files.storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for path, picture in zip(paths, pictures, strict=True):
        with files.writing(path) as file:
            file.write(png_bytes(picture))
    return paths


def file_names(number: int, classes: Sequence[str]) -> Iterator[str]:
    """A name for each picture, with its class where it has one, so that they sort as they were drawn.

    Example:
        >>> list(file_names(3, ["ankle boot", "bag"]))
        ['1-ankle-boot', '2-bag', '3-ankle-boot']
    """
    wide = len(str(number))
    for at in range(number):
        kind = "".join(letter if letter.isalnum() else "-" for letter in classes[at % len(classes)]) if classes else ""
        yield f"{at + 1:0{wide}}" + (f"-{kind}" if kind else "")
