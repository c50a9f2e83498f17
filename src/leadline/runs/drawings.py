"""Judging and finishing a training of a network that draws: how near its drawings are to pictures, how various, no copies."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

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
from leadline.metrics import copying, frechet_distance, kernel_distance, nearest_rows_of, sample_spread
from leadline.metrics.sample_spreads import SampleSpread
from leadline.models import drawn_pictures
from leadline.plan.generate_building import prepared_pictures
from leadline.plan.record import Plan
from leadline.runs.drawing_runs import FEATURES, FILM, SHEETS, judging_features, sheet_of
from leadline.runs.making_up import png_bytes, prepared_bytes, shown_bytes
from leadline.runs.observer import Observer
from leadline.runs.reloading import load_for
from leadline.runs.restarts import Trained
from leadline.runs.results import more_epochs, training_record
from leadline.training import checkpoints as saved
from leadline.transfer.own_features import OwnFeatures

_JUDGED, _COMPARED = 10_000, 100_000  # test pictures, and training pictures among which the nearest are looked for
_AT_ONCE = 1024  # stored pictures that are prepared together
_PIXELS = 5000  # training pictures whose pixels the normal distribution is of
_SHOWN, _NEAREST = 8, 5  # drawings beside training pictures, and how many of these each
_DATA = 24  # pictures of the data in the report
_SEED = 2  # of the drawings that are judged, another than those of the sheets and of the validation
_FILM_BYTES, _FRAMES = 1_200_000, (60, 30, 15, 8)
_SURE = 1.96
_COPIED_RATIO, _COPIED_SHARE = 0.5, 0.1  # of `metrics.copying`, beyond which drawings are said to be copies
_OWN = "This is what the network was trained on, so only its test split counts."

TITLES = {
    "frechet": ("Fréchet distance", False),
    "kernel": ("Kernel distance", False),
    "coverage": ("Pictures with a drawing near", True),
    "nearest": ("Variety from one to the next", True),
    "pairwise": ("Variety among all", True),
}
"""Title of each score, and whether more is better."""


class Judged(NamedTuple):
    """Scores of some drawings beside pictures, and how various they are."""

    scores: dict[str, dict[str, Any]]
    spread: SampleSpread


def judged(drawn: Tensor, real: Tensor) -> Judged:
    """Distances of drawings and pictures, and the variety of the drawings, on rows of features.

    Args:
        drawn: of as many drawings as there are pictures [N, D].
        real: of the pictures [N, D].

    Example:
        >>> rows = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
        >>> found = judged(rows[:100], rows[100:])
        >>> found.scores["kernel"]["low"] < 0 < found.scores["kernel"]["high"], found.spread.collapsed
        (True, False)
    """
    kernel = kernel_distance(drawn, real)
    spread = sample_spread(drawn, real)
    value, error = float(kernel.value), float(kernel.standard_error)
    found: dict[str, tuple[float, float | None, float | None]] = {
        "frechet": (float(frechet_distance(drawn, real)), None, None),
        "kernel": (value, value - _SURE * error, value + _SURE * error),
        **{name: (getattr(spread, name), None, None) for name in ("coverage", "nearest", "pairwise")},
    }
    scores = {
        name: {
            "value": number if math.isfinite(number) else None,
            "low": low,
            "high": high,
            "title": TITLES[name][0],
            "higher_is_better": TITLES[name][1],
        }
        for name, (number, low, high) in found.items()
    }
    return Judged(scores, spread)


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
    real, classes = prepared_pictures(split, schema, most=_JUDGED)
    drawn = _drawn(model, len(real), classes)
    found = judged(features(drawn), features(real))
    told = f"The features are of {features.words}, so these distances compare networks on these pictures and are no FID."
    return {
        "task": "generate",
        "headline": "frechet",
        "classes": [],
        "rows": len(real),
        "scores": found.scores,
        "note": " ".join(filter(None, (note, told, found.spread.told))),
    }


def finish_drawings(path: Path, plan: Plan, dataset: Dataset, trained: Trained, observer: Observer) -> dict[str, Any]:
    """Judge the best weights on the test pictures and write examples, sheets and results; the results come back."""
    model, schema = trained.built.model.eval(), dataset.schema
    features = judging_features(path, plan, dataset, observer)
    real, classes = prepared_pictures(dataset.test, schema, most=_JUDGED)
    observer.note("judging", f"{len(real):,} drawings beside as many test pictures that nothing has seen")
    drawn, theirs = _drawn(model, len(real), classes), features(real)
    ours = features(drawn)
    found = judged(ours, theirs)
    compared = compared_with(len(dataset.train))
    known = feature_rows(dataset.train, schema, features, compared)
    results = training_record(path, plan, dataset, trained) | {
        "task": dataset.task,
        "noun": "pictures",
        "headline": "frechet",
        "classes": list(schema.answers.names),
        "rows": {"train": len(dataset.train), "valid": len(dataset.valid), "test": len(real)},
        "scores": found.scores,
        "baselines": [_of_pixels(prepared_pictures(dataset.train, schema, most=_PIXELS)[0], features, theirs)],
        "floor": judged(known[_spread_out(len(known), len(real))], theirs).scores if len(known) >= len(real) else None,
        "features": features.words,
        "collapse": found.spread.told,
        "copying": _copying(ours, known, theirs),
    }
    files.write_json(path / "examples.json", _examples(path, dataset, model, drawn, compared, (ours, known)))
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
    if told := copying_text(results["copying"]):
        observer.note("copies", told)


def copying_text(record: dict[str, Any] | None) -> str:
    """Whether the drawings are copies, in a sentence; "" where it is not known.

    Example:
        >>> copying_text({"ratio": 1.02, "share": 0.01})[-26:], copying_text({"ratio": 0.1, "share": 0.9})[-35:]
        ('it makes up what it draws.', 'it copies what it has learned from.')
    """
    if not record:
        return ""
    copied = record["ratio"] < _COPIED_RATIO or record["share"] > _COPIED_SHARE
    verdict = "it copies what it has learned from" if copied else "it makes up what it draws"
    return (
        f"From a drawing to the nearest training picture it is {record['ratio']:.2f} times as far as from a test picture: "
        f"{verdict}."
    )


def compared_with(count: int) -> NDArray[np.int64]:
    """The training pictures among which the nearest to a drawing are looked for: all of them, up to 100,000.

    Args:
        count: how many there are.

    Example:
        >>> compared_with(5).tolist()
        [0, 1, 2, 3, 4]
    """
    return _spread_out(count, _COMPARED)


def feature_rows(split: Split, schema: Schema, features: Callable[[Tensor], Tensor], rows: NDArray[np.int64]) -> Tensor:
    """Features of stored pictures, prepared a part at a time: all of them at once may be larger than memory.

    Args:
        split: of pictures.
        schema: that prepares them.
        features: pictures [N, C, H, W] → rows [N, D].
        rows: which of the split.
    """
    prepare = schema.inputs.preparer(torch.device("cpu"))
    parts = (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))
    return torch.cat([features(prepare(torch.from_numpy(np.ascontiguousarray(split.array[part])))) for part in parts])


def golden_seeds(dataset: Dataset) -> NDArray[np.int64]:
    """Seeds whose drawings are kept with a Run, so that one that is opened again can be seen to be the same."""
    return np.arange(4)


def normal_of_pixels(learned: Tensor, number: int, *, seed: int = 0) -> Tensor:
    """Draws from the normal distribution with the mean and covariance of some pictures' pixels, [number, C, H, W].

    x = μ + (X − μ)ᵀ w / √N with w ~ N(0, I): weights of the pictures themselves, so that no covariance is ever computed. What
    leaves [−1, 1] is cut off.

    Args:
        learned: X, pictures [N, C, H, W].
        number: of draws.
        seed: of them.

    Example:
        >>> normal_of_pixels(torch.full((5, 1, 2, 2), 0.5), 3).unique().tolist()
        [0.5]
    """
    rows = learned.flatten(1)
    mean = rows.mean(dim=0)
    weights = torch.randn(number, len(rows), generator=torch.Generator().manual_seed(seed)) / math.sqrt(len(rows))
    drawn: Tensor = torch.addmm(mean, weights, rows - mean)
    return drawn.clamp(-1, 1).view(number, *learned.shape[1:])


def _drawn(model: nn.Module, number: int, classes: Tensor | None) -> Tensor:
    asked = classes if getattr(model, "classes", 0) else None
    return drawn_pictures(model, number, seed=_SEED, classes=asked)


def _of_pixels(some: Tensor, features: Callable[[Tensor], Tensor], theirs: Tensor) -> dict[str, Any]:
    return {
        "name": "normal distribution of the pixels",
        "detail": f"mean and covariance of {len(some):,} training pictures",
        "scores": judged(features(normal_of_pixels(some, len(theirs))), theirs).scores,
    }


def _copying(ours: Tensor, known: Tensor, theirs: Tensor) -> dict[str, float] | None:
    try:
        return dict(copying(ours, known, theirs)._asdict())
    except ArgumentError:  # most test pictures are training pictures too, as a source may bring them
        return None


def _examples(
    path: Path,
    dataset: Dataset,
    model: nn.Module,
    drawn: Tensor,
    compared: NDArray[np.int64],
    rows: tuple[Tensor, Tensor],
) -> dict[str, Any]:
    """Pictures for the report, also kept as files in the Run."""
    schema = dataset.schema
    count, columns, classes = sheet_of(int(getattr(model, "classes", 0)))
    sheet = sample_sheet(prepared_bytes(drawn_pictures(model, count, seed=0, classes=classes), schema), columns=columns)
    some = _spread_out(len(drawn), _SHOWN)
    _, places = nearest_rows_of(rows[0][some], rows[1], count=min(_NEAREST, len(rows[1])))
    neighbours = shown_bytes(dataset.train.array[compared[places.flatten().numpy()]], schema)
    nearest = beside_nearest_sheet(
        prepared_bytes(drawn[some], schema), neighbours.reshape(*places.shape, *neighbours.shape[1:])
    )
    made = {"drawn.png": sheet, "nearest.png": nearest}
    for name, picture in made.items():
        with files.writing(path / name) as file:
            file.write(png_bytes(picture))
    shown = _spread_out(len(dataset.train), _DATA)
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
    """The film of the sheets, kept in the Run whole; for the page as many frames of it as it has room for."""
    try:
        film = kept_film(path / SHEETS, most=_FRAMES[0])
    except ArgumentError:  # somebody has taken the sheets away
        return None
    with files.writing(path / FILM) as file:
        file.write(film)
    for most in _FRAMES[1:]:
        if len(film) <= _FILM_BYTES:
            break
        film = kept_film(path / SHEETS, most=most)
    return _uri(film, "gif") if len(film) <= _FILM_BYTES else None


def _uri(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


def _spread_out(count: int, most: int) -> NDArray[np.int64]:
    """Row numbers, at most so many, evenly spread."""
    rows: NDArray[np.int64] = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
    return rows


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
    record = results["copying"]
    if record and (record["ratio"] < _COPIED_RATIO or record["share"] > _COPIED_SHARE):
        advice.append(
            f"{copying_text(record)} More pictures, fewer epochs or `--set training.changes=color,shift,cutout` help."
        )
    return [
        *advice,
        *more_epochs(results, epochs),
        f"Let it draw: `leadline generate {path} --number 64 --out sheet.png`",
        f"Compare its drawings with other pictures: `leadline evaluate {path} SOURCE`",
    ]
