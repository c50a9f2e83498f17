"""Judging and finishing a training on pairs: whole photos that nothing has seen, enlarged, beside bicubic enlargement."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline import files, metrics
from leadline.data.dataset import Dataset
from leadline.data.pictures.enlarging import SmallPictures
from leadline.data.pictures.super_resolution import photo_names, whole_pairs
from leadline.data.raw import set_aside
from leadline.data.schema import Schema
from leadline.errors import DataError
from leadline.metrics.pictures import luminance, mean_score, psnr_of_each, ssim_of_each
from leadline.metrics.table import Metric
from leadline.plan.record import Plan
from leadline.runs.enlarging import bicubic, enlarged
from leadline.runs.examples import png_uri
from leadline.runs.observer import Observer
from leadline.runs.reloading import load_for
from leadline.runs.restarts import Trained
from leadline.runs.results import more_epochs, training_record

_RESAMPLES = 1000
_JUDGED = 300  # photos: their mean is known to a tenth of a decibel, and they take a minute or two
_FEWEST = 5  # photos below which redrawing them says nothing of chance
_SHOWN, _WINDOW = 8, 144  # photos in the report, and pixels of each that are shown there
_SMALL, _NAMED = "too small to judge by", 5
_OWN = "This is what the network was trained on, so only its test split counts."

Bytes = NDArray[np.uint8]
Pair = tuple[str, Bytes, Bytes]
Network = tuple[nn.Module, Schema, torch.device]


def evaluate(model: nn.Module, schema: Schema, device: torch.device, plan: Plan, source: Any) -> dict[str, Any]:
    """Scores on a folder of photos, whole ones; the folder of the training stands for its test split."""
    note, inputs = "", schema.inputs
    assert isinstance(inputs, SmallPictures)
    root, names = photo_names(source)
    if isinstance(source, (str, Path)) and Path(plan.data.source).exists() and root.samefile(plan.data.source):
        dataset = load_for(plan)
        if dataset.fingerprint() == plan.data.hash:
            names, note = list(dataset.test.ids), _OWN
    kept, few = _some(names)
    bad: dict[int, str] = {}
    judged = judge((model, schema, device), _readable(root, kept, inputs.upscale, bad), lambda: None)
    set_aside(kept, {row: reason for row, reason in bad.items() if reason != _SMALL})
    judged.pop("shown")
    return {"note": " ".join(filter(None, (note, few, _left_out(kept, bad)))), "rows": len(judged["photos"]), **judged}


def judge(network: Network, pairs: Iterable[Pair], told: Callable[[], object]) -> dict[str, Any]:
    """PSNR and SSIM of the luminance of each photo, enlarged by the network and bicubically, and their means with intervals.

    Args:
        network: the model in evaluation mode, its Schema, and its device.
        pairs: name, small picture and large one of each photo.
        told: is called after each photo.
    """
    model, schema, device = network
    inputs = schema.inputs
    assert isinstance(inputs, SmallPictures)
    rows: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for name, small, large in pairs:
        ours = enlarged(model, schema, device, small)
        theirs = bicubic(small, inputs.upscale)
        row: dict[str, Any] = {"id": name}
        for who, picture in (("", ours), ("bicubic_", theirs)):
            p, t = (_compared(each, inputs.upscale) for each in (picture, large))
            row |= {f"{who}psnr": psnr_of_each(p, t).item(), f"{who}ssim": ssim_of_each(p, t).item()}
        rows.append(row)
        shown.append(_example(row, small, theirs, ours, large, inputs.upscale))
        told()
    if not rows:
        raise DataError("There is no photo to judge by", expected="at least one that can be read")
    return {
        "task": "pairs",
        "headline": "psnr",
        "classes": [],
        "scores": {metric.name: _score(metric, rows, "") for metric in _metrics()},
        "baselines": [
            {
                "name": "bicubic",
                "detail": f"enlarged {inputs.upscale} times without learning",
                "scores": {metric.name: _score(metric, rows, "bicubic_") for metric in _metrics()},
                "network_ahead": _ahead(_metrics()[0], rows),
            }
        ],
        "photos": rows,
        "shown": _chosen(rows, shown),
    }


def finish_pairs(path: Path, plan: Plan, dataset: Dataset, trained: Trained, observer: Observer) -> dict[str, Any]:
    """Judge the best weights on whole test photos and write examples and results; the results come back."""
    built, history = trained.built, trained.history
    inputs = dataset.schema.inputs
    assert isinstance(inputs, SmallPictures)
    names, few = _some(list(dataset.test.ids))
    observer.note("judging", f"{len(names):,} whole test photos, enlarged {inputs.upscale} times, beside bicubic")
    # Arrays have no pairs, so the source is a folder, or the ids are absolute paths.
    root = Path("/") if Path(names[0]).is_absolute() else Path(plan.data.source)
    network = (built.model.eval(), dataset.schema, built.device)
    bad: dict[int, str] = {}  # files of the folder may have gone since the training began; the others are judged
    results = judge(network, _readable(root, names, inputs.upscale, bad), lambda: None)
    files.write_json(path / "examples.json", {"enlarged": results.pop("shown")})
    results |= training_record(path, plan, dataset, trained)
    results |= {
        "upscale": inputs.upscale,
        "rows": {"train": len(dataset.train), "valid": len(dataset.valid), "test": len(results["photos"])},
        "notes": [*dataset.notes, *filter(None, [few, _left_out(names, bad)]), *history.notes],
    }
    results["next"] = _next(results, path, plan.training.epochs)
    files.write_json(path / "results.json", results)
    return results


def tell_pairs(results: dict[str, Any], observer: Observer) -> None:
    """The result in two lines."""
    ours, beside = results["scores"], results["baselines"][0]
    psnr, ssim = ours["psnr"], ours["ssim"]
    observer.note("result", f"test PSNR {psnr['value']:.2f} dB{_interval(psnr)}, SSIM {ssim['value']:.4f}")
    observer.note("beside it", beside_text(beside))


def beside_text(baseline: dict[str, Any]) -> str:
    """What bicubic enlargement comes to on the same photos, and how far the network is ahead.

    Example:
        >>> scores = {"psnr": {"value": 28.9}, "ssim": {"value": 0.9}}
        >>> beside_text({"name": "bicubic", "scores": scores, "network_ahead": {"value": 1.25, "low": 1.1, "high": 1.4}})
        'bicubic 28.90 dB, SSIM 0.9000; the network is ahead by 1.25 dB (1.10 to 1.40)'
    """
    scores, ahead = baseline["scores"], baseline["network_ahead"]
    side = "ahead" if ahead["value"] >= 0 else "behind"
    low, high = sorted(abs(ahead[end]) for end in ("low", "high")) if ahead["low"] * ahead["high"] > 0 else (0, 0)
    between = f" ({low:.2f} to {high:.2f})" if high else ", which may be chance"
    return (
        f"{baseline['name']} {scores['psnr']['value']:.2f} dB, SSIM {scores['ssim']['value']:.4f}; "
        f"the network is {side} by {abs(ahead['value']):.2f} dB{between}"
    )


def _some(names: Sequence[str]) -> tuple[list[str], str]:
    """All names, or as many as are judged, and a note of it."""
    if len(names) <= _JUDGED:
        return list(names), ""
    chosen = np.linspace(0, len(names) - 1, _JUDGED).round().astype(int)
    return [names[at] for at in chosen], f"Of {len(names):,} photos {_JUDGED}, evenly spread, were judged."


def _readable(root: Path, names: Sequence[str], upscale: int, bad: dict[int, str]) -> Iterator[Pair]:
    """The pairs of the photos that can be judged; why the others cannot is put into `bad`, by their number.

    Errors: `DataError` where none can.
    """
    least, fitting = 11 + 4 * upscale, 0  # a window of SSIM, the border that does not count, and what is cut off
    for at, name in enumerate(names):
        try:
            pair = next(whole_pairs(root, [name], upscale))
        except DataError as error:
            bad[at] = str(error)
            continue
        if min(pair[2].shape[:2]) >= least:
            fitting += 1
            yield pair
        else:
            bad[at] = _SMALL
    if not fitting:
        set_aside(names, {row: reason for row, reason in bad.items() if reason != _SMALL})
        raise DataError("No photo is large enough to judge by", expected=f"at least {least} pixels a side")


def _left_out(names: Sequence[str], bad: Mapping[int, str]) -> str:
    """Which photos were not judged, and why."""
    if not bad:
        return ""
    shown = "; ".join(f"{names[row]} ({bad[row].rstrip('.')})" for row in sorted(bad)[:_NAMED])
    more = f"; and {len(bad) - _NAMED:,} more" if len(bad) > _NAMED else ""
    return f"{len(bad):,} of {len(names):,} photos could not be judged: {shown}{more}."


def _compared(picture: Bytes, border: int) -> Tensor:
    shades = luminance(torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].double())
    return shades[:, :, border:-border, border:-border]


def _metrics() -> list[Metric]:
    """Those of the task, of scores that were taken photo by photo."""
    return [dataclasses.replace(metric, function=mean_score) for metric in metrics.for_task("pairs", 1).values()]


def _column(rows: Sequence[dict[str, Any]], name: str) -> Tensor:
    return torch.tensor([[row[name]] for row in rows], dtype=torch.float64)


def _score(metric: Metric, rows: Sequence[dict[str, Any]], who: str) -> dict[str, Any]:
    values = _column(rows, who + metric.name)
    low, high = None, None
    if len(rows) >= _FEWEST:
        low, high = metrics.bootstrap_interval(metric, values, values, resamples=_RESAMPLES)
    return {
        "value": values.mean().item(),
        "low": low,
        "high": high,
        "title": metric.title,
        "higher_is_better": metric.higher_is_better,
    }


def _ahead(metric: Metric, rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    ours, theirs = _column(rows, metric.name), _column(rows, f"bicubic_{metric.name}")
    if len(rows) >= _FEWEST:
        return metrics.paired_difference(metric, ours, theirs, ours, resamples=_RESAMPLES)
    value = (ours - theirs).mean().item()
    return {"value": value, "low": min(0.0, value), "high": max(0.0, value)}  # so few may all be alike by chance


def _example(row: dict[str, Any], small: Bytes, theirs: Bytes, ours: Bytes, large: Bytes, times: int) -> dict[str, Any]:
    """A window of one photo, where bicubic enlargement errs most, in four columns."""
    side = min(_WINDOW, *large.shape[:2]) // times * times
    errors = np.square(theirs.astype(np.float32) - large).mean(axis=2)
    sums = np.pad(errors.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    windows = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    place = np.unravel_index(windows[::times, ::times].argmax(), windows[::times, ::times].shape)
    top, left = (int(at) * times for at in place)
    inner = small[top // times : (top + side) // times, left // times : (left + side) // times]
    cut = (slice(top, top + side), slice(left, left + side))
    pictures = {
        "low": inner.repeat(times, 0).repeat(times, 1),
        "bicubic": theirs[cut],
        "ours": ours[cut],
        "original": large[cut],
    }
    return {**row, **{name: np.ascontiguousarray(picture) for name, picture in pictures.items()}}


def _chosen(rows: Sequence[dict[str, Any]], shown: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Some photos from the largest gain to the smallest, their windows as data URIs."""
    order = np.argsort([row["bicubic_psnr"] - row["psnr"] for row in rows], kind="stable")
    chosen = np.unique(np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).round().astype(int))
    examples = [shown[order[at]] for at in chosen]
    return [
        {key: png_uri(value) if isinstance(value, np.ndarray) else value for key, value in each.items()} for each in examples
    ]


def _next(results: dict[str, Any], path: Path, epochs: int) -> list[str]:
    advice = more_epochs(results, epochs)
    return [
        *advice,
        f"Enlarge photos: `leadline predict {path} PHOTO… --out FOLDER`",
        f"Judge it on other photos: `leadline evaluate {path} FOLDER`",
    ]


def _interval(score: dict[str, Any]) -> str:
    return "" if score["low"] is None else f" ({score['low']:.2f} to {score['high']:.2f})"
