"""What a network of a Run makes up, pictures or rows: as it is stored, as it is shown, and as files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Inputs, Schema
from leadline.data.tables.table import Table
from leadline.data.unlabelled.unit_inputs import UnitPictures
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, RunExistsError, unknown
from leadline.explain.overlays import Bytes
from leadline.layers.arguments import check_whole
from leadline.models import Generates, made_inputs

Rows = NDArray[Any] | list[dict[str, str]]
"""Pictures [N, H, W, C] or rows of numbers [N, D] as they are stored; of a table text by column."""

_AT_ONCE = 1000  # made up together, from one seed
_SHOWN_AT_ONCE = 256  # turned into bytes together, which goes through numbers of eight bytes


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
    parts: list[Any] = list(made_up_parts(model, schema, number, seed=seed, classes=classes, steps=steps))
    return list(chain.from_iterable(parts)) if isinstance(parts[0], list) else np.concatenate(parts)


def made_up_parts(
    model: nn.Module,
    schema: Schema,
    number: int,
    *,
    seed: int = 0,
    classes: Sequence[str] = (),
    steps: int | None = None,
) -> Iterator[Rows]:
    """The same, a thousand at a time, so that any number can be written to files; each thousand is from a seed of its own.

    Args:
        model: that makes inputs up.
        schema: of its training.
        number: of pictures or rows in all.
        seed: of the first thousand, and what the others are mixed from.
        classes: names.
        steps: of the chains of a Boltzmann machine.

    Errors: as `made_up`; of steps and of the seed when the first part is asked for.
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
    check_whole("What is made up", {"number": number})
    asked, known = class_numbers(schema, classes, number), int(getattr(model, "classes", 0))
    if asked is None and known:
        asked = [at % known for at in range(number)]
    return (
        in_own_units(
            schema.inputs,
            made_inputs(
                model,
                min(_AT_ONCE, number - start),
                seed=int(np.random.SeedSequence((seed, start)).generate_state(1)[0]) if start else seed,
                classes=None if asked is None else asked[start : start + _AT_ONCE],
                steps=steps,
            ),
        )
        for start in range(0, number, _AT_ONCE)
    )


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
    parts = (made[start : start + _SHOWN_AT_ONCE] for start in range(0, len(made), _SHOWN_AT_ONCE))
    return np.concatenate([inputs.restored(part) for part in parts])


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
    # Drawings are seen from −1 to 1, pictures that are told again from 0 to 1.
    low, high = inputs.mean[0] - (0 if isinstance(inputs, UnitPictures) else inputs.std[0]), inputs.mean[0] + inputs.std[0]
    shades = np.empty(np.shape(stored), np.uint8)
    for start in range(0, len(shades), _SHOWN_AT_ONCE):
        values = np.asarray(stored[start : start + _SHOWN_AT_ONCE], np.float64)
        values = np.floor((values - low) / max(high - low, 1e-12) * 255 + 0.5).clip(0, 255)
        shades[start : start + _SHOWN_AT_ONCE] = values
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


def free_files(folder: Path, names: Iterable[str]) -> list[Path]:
    """The paths of new PNG files in a folder, where none of them is there already.

    Args:
        folder: that they are to be in.
        names: without ending.

    Errors: `RunExistsError` where one is there.
    """
    paths = [folder / f"{name}.png" for name in names]
    if there := next((path for path in paths if path.exists()), None):
        raise RunExistsError(f"{there} exists already", do="Choose another folder with --out, or remove it first.")
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
