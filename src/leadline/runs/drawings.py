"""Judging and finishing a training of a network that draws: how near its drawings are to pictures, how various, no copies."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline import files
from leadline.data.dataset import Dataset, Split
from leadline.data.pictures.drawing_loading import HELD_OUT, read_drawings
from leadline.data.schema import Schema
from leadline.errors import ArgumentError, DataError, RunError
from leadline.explain.samples.kept_sheets import kept_film
from leadline.explain.samples.sample_sheets import beside_nearest_sheet, sample_sheet
from leadline.metrics import copying, nearest_rows_of
from leadline.metrics.sample_spreads import Copying
from leadline.models import drawn_pictures
from leadline.plan.generate_building import known_classes, prepared_pictures, spread_out
from leadline.plan.record import Plan
from leadline.runs.drawing_runs import FEATURES, FILM, SHEETS, judging_features, sheet_of
from leadline.runs.judging_drawings import Drawn, compared_with, drawn_rows, feature_rows, judged, normal_of_pixels
from leadline.runs.making_up import png_bytes, prepared_bytes, shown_bytes
from leadline.runs.observer import Observer
from leadline.runs.reloading import load_for
from leadline.runs.restarts import Trained
from leadline.runs.results import more_epochs, training_record
from leadline.training import checkpoints as saved
from leadline.transfer.own_features import OwnFeatures

_JUDGED = 10_000  # test pictures at most, and as many drawings
_PIXELS, _VALUES = 5000, 40_000_000  # training pictures whose pixels the normal distribution is of, and their pixels in all
_NEAREST = 5  # training pictures beside each drawing that is shown with those most like it
_DATA = 24  # pictures of the data in the report
_FILM_BYTES = 1_200_000
_FRAMES = ((60, 1), (30, 1), (15, 1), (8, 1), (8, 2), (8, 4), (8, 8))  # how many at most, and how many times smaller
_OWN = "This is what the network was trained on, so only its test split counts."


def evaluate(
    model: nn.Module, schema: Schema, device: torch.device, plan: Plan, path: Path, source: Any, targets: Any = None
) -> dict[str, Any]:
    """Distances of drawings from other pictures; the source of the training stands for its test split.

    Errors: `RunError` where the features of the Run are missing; `DataError` for fewer than 20 pictures.
    """
    if not (path / FEATURES).exists():
        raise RunError(f"{path / FEATURES} is missing", do="Restore the folder from a copy, or train anew.")
    features = OwnFeatures.from_state(saved.load(path / FEATURES), device)
    split, note = _pictures(schema, plan, source, targets)
    if len(split) < HELD_OUT:
        raise DataError("There are too few pictures to compare with", expected=f"at least {HELD_OUT}", got=len(split))
    rows = spread_out(len(split), _JUDGED)
    real = feature_rows(split, schema, features, rows)
    found = judged(drawn_rows(model, len(rows), known_classes(split, schema, rows), features).rows, real)
    told = (note, about_counts(len(rows), files.read_json(path / "results.json").get("judged")), distances_text(features.words))
    return {
        "task": "generate",
        "headline": "frechet",
        "classes": [],
        "rows": len(real),
        "scores": found.scores,
        "note": " ".join(filter(None, (*told, found.spread.told))),
    }


def finish_drawings(path: Path, plan: Plan, dataset: Dataset, trained: Trained, observer: Observer) -> dict[str, Any]:
    """Judge the best weights on the test pictures and write examples, sheets and results; the results come back."""
    model, schema = trained.built.model.eval(), dataset.schema
    features = judging_features(path, plan, dataset, observer)
    rows = spread_out(len(dataset.test), _JUDGED)
    observer.note("judging", f"{len(rows):,} drawings beside as many test pictures that nothing has seen")
    theirs = feature_rows(dataset.test, schema, features, rows)
    drawn = drawn_rows(model, len(rows), known_classes(dataset.test, schema, rows), features)
    found = judged(drawn.rows, theirs)
    compared = compared_with(len(dataset.train))
    known = feature_rows(dataset.train, schema, features, compared)
    results = training_record(path, plan, dataset, trained) | {
        "task": dataset.task,
        "noun": "pictures",
        "headline": "frechet",
        "classes": list(schema.answers.names),
        "rows": {"train": len(dataset.train), "valid": len(dataset.valid), "test": len(dataset.test)},
        "judged": len(rows),
        "scores": found.scores,
        "baselines": [_of_pixels(dataset.train, schema, features, theirs)],
        "floor": judged(known[spread_out(len(known), len(rows))], theirs).scores if len(known) >= len(rows) else None,
        "features": features.words,
        "distances": distances_text(features.words),
        "collapse": found.spread.told,
        "copying": _copying(drawn.rows, known, theirs, len(dataset.train)),
    }
    files.write_json(path / "examples.json", _examples(path, dataset, model, drawn, compared, known))
    results["film"] = FILM if (path / FILM).exists() else None
    results["next"] = _next(results, path, plan.training.epochs)
    files.write_json(path / "results.json", results)
    return results


def tell_drawings(results: dict[str, Any], observer: Observer) -> None:
    """The result in a few lines."""
    scores, beside = results["scores"], results["baselines"][0]
    observer.note(
        "result",
        f"Fréchet distance {_short(scores['frechet'])} and kernel distance {_short(scores['kernel'])} from test pictures, on "
        f"features of {results['features']}; from epoch {results['best_epoch']}",
    )
    floor = f"; as many training pictures {_short(results['floor']['frechet'])}" if results["floor"] else ""
    observer.note("beside it", f"{beside['name']} {_short(beside['scores']['frechet'])}{floor}")
    observer.note(
        "variety",
        results["collapse"]
        or f"{scores['coverage']['value']:.0%} of the test pictures have a drawing near them; drawings differ "
        f"{scores['pairwise']['value']:.2f} times as much as pictures do",
    )
    if results["copying"]:
        observer.note("copies", results["copying"]["told"])


def distances_text(words: str) -> str:
    """On which features distances are, and what they are not.

    Example:
        >>> distances_text("a network that tells 10 classes")[-55:]
        'they compare networks on these pictures and are no FID.'
    """
    return f"Distances are on features of {words}: they compare networks on these pictures and are no FID."


def about_counts(now: int, trained: int | None) -> str:
    """What is to be known where drawings are compared with fewer or more pictures than at the end of the training.

    Args:
        now: how many they are.
        trained: how many they were; None where that is not known.

    Example:
        >>> about_counts(270, 270), about_counts(60, 270)[:42]
        ('', 'The training was judged by 270 drawings an')
    """
    if trained is None or now == trained:
        return ""
    return (
        f"The training was judged by {trained:,} drawings and pictures, this is by {now:,} of each: the Fréchet distance is "
        "larger for fewer, so compare the two by the kernel distance."
    )


def copying_text(found: Copying, compared: int, train: int) -> str:
    """Whether the drawings are copies, in a sentence or two.

    Args:
        found: of `metrics.copying`.
        compared: training pictures among which the nearest were looked for.
        train: training pictures in all.

    Example:
        >>> copying_text(Copying(1.02, 0.01), 900, 900)[:29], copying_text(Copying(0.1, 0.9), 900, 900)[:10]
        ('It makes up what it draws: a ', 'It copies:')
    """
    far = f"a drawing is {found.ratio:.2f} times as far from the nearest training picture as a test picture is"
    some = f" Only {compared:,} of the {train:,} training pictures were looked through." if compared < train else ""
    if found.copies:
        return f"It copies: {far}, and {found.share:.1%} of the drawings are nearer than all but 1 % of test pictures.{some}"
    return (
        f"It makes up what it draws: {far}, and {found.share:.1%} of the drawings are nearer than all but 1 % of test "
        f"pictures.{some}"
    )


def golden_seeds(dataset: Dataset) -> NDArray[np.int64]:
    """Seeds whose drawings are kept with a Run, so that one that is opened again can be seen to be the same."""
    return np.arange(4)


def _of_pixels(train: Split, schema: Schema, features: Callable[[Tensor], Tensor], theirs: Tensor) -> dict[str, Any]:
    some, _ = prepared_pictures(train, schema, most=min(_PIXELS, max(2, _VALUES // math.prod(schema.inputs.shape))))
    rows = torch.cat([features(part) for part in normal_of_pixels(some, len(theirs))])
    return {
        "name": "normal distribution of the pixels",
        "detail": f"mean and covariance of {len(some):,} training pictures",
        "scores": judged(rows, theirs).scores,
    }


def _copying(ours: Tensor, known: Tensor, theirs: Tensor, train: int) -> dict[str, Any] | None:
    try:
        found = copying(ours, known, theirs)
    except ArgumentError:  # most test pictures are training pictures too, as a source may bring them
        return None
    told = copying_text(found, len(known), train)
    return {**found._asdict(), "compared": len(known), "copies": found.copies, "told": told}


def _examples(
    path: Path,
    dataset: Dataset,
    model: nn.Module,
    drawn: Drawn,
    compared: NDArray[np.int64],
    known: Tensor,
) -> dict[str, Any]:
    """Pictures for the report, also kept as files in the Run."""
    schema = dataset.schema
    count, columns, classes = sheet_of(int(getattr(model, "classes", 0)))
    sheet = sample_sheet(prepared_bytes(drawn_pictures(model, count, seed=0, classes=classes), schema), columns=columns)
    _, places = nearest_rows_of(drawn.rows[drawn.places], known, count=min(_NEAREST, len(known)))
    neighbours = shown_bytes(dataset.train.array[compared[places.flatten().numpy()]], schema)
    nearest = beside_nearest_sheet(
        prepared_bytes(drawn.shown, schema), neighbours.reshape(*places.shape, *neighbours.shape[1:])
    )
    made = {"drawn.png": sheet, "nearest.png": nearest}
    for name, picture in made.items():
        with files.writing(path / name) as file:
            file.write(png_bytes(picture))
    shown = spread_out(len(dataset.train), _DATA)
    pictures = shown_bytes(dataset.train.array[shown], schema)
    names = schema.answers.names
    return {
        "data": [
            {
                "id": str(dataset.train.ids[row]),
                "truth": names[int(dataset.train.targets[row])] if names else "",
                "picture": _uri(png_bytes(picture)),
            }
            for row, picture in zip(shown.tolist(), pictures, strict=True)
        ],
        "drawn": {
            "sheet": _uri(png_bytes(sheet)),
            "nearest": _uri(png_bytes(nearest)),
            "film": _film(path),
            "columns": [names[at] for at in range(columns)] if columns else [],
        },
    }


def _film(path: Path) -> str | None:
    """The film of the sheets, kept in the Run; for the page as many frames, and as large, as it has room for."""
    for at, (most, smaller) in enumerate(_FRAMES):
        try:
            film = kept_film(path / SHEETS, most=most, smaller=smaller)
        except ArgumentError:  # somebody has taken the sheets away
            return None
        if at == 0:
            with files.writing(path / FILM) as file:
                file.write(film)
        if len(film) <= _FILM_BYTES:
            return _uri(film, "gif")
    return None


def _uri(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


def _pictures(schema: Schema, plan: Plan, source: Any, targets: Any) -> tuple[Split, str]:
    own = plan.data
    if isinstance(source, (str, Path)) and targets is None and _same(str(source), own.source):
        dataset = load_for(plan)
        if dataset.fingerprint() == own.hash:
            return dataset.test, _OWN
    split = read_drawings(source, schema, targets=targets)
    return split, " ".join(split.notes)


def _same(source: str, own: str) -> bool:
    return source == own or (Path(source).exists() and Path(own).exists() and Path(source).samefile(own))


def _short(score: dict[str, Any]) -> str:
    interval = "" if score["low"] is None else f" ({score['low']:.3g} to {score['high']:.3g})"
    return ("unknown" if score["value"] is None else f"{score['value']:.3g}") + interval


def _next(results: dict[str, Any], path: Path, epochs: int) -> list[str]:
    advice = []
    if results["collapse"]:
        advice.append(
            f"{results['collapse']} Train anew with another seed (`--seed 1`), a lower rate, or the loss that is hardest to "
            "collapse: `--set training.loss=wasserstein`."
        )
    if results["copying"] and results["copying"]["copies"]:
        told = results["copying"]["told"]
        advice.append(f"{told} More pictures, fewer epochs or `--set training.changes=color,shift,cutout` help.")
    return [
        *advice,
        *more_epochs(results, epochs),
        f"Let it draw: `leadline generate {path} --number 64 --out sheet.png`",
        f"Compare its drawings with other pictures: `leadline evaluate {path} SOURCE`",
    ]
