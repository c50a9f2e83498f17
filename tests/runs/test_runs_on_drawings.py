"""A Run of the task generate from pictures to the report: learned, watched, resumed to the bit, opened, asked, judged."""

from __future__ import annotations

import base64
import contextlib
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import leadline
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.errors import ArgumentError, DataError, Interrupted, PlanError, RunError
from leadline.explain import kept_film
from leadline.metrics import frechet_distance, kernel_distance
from leadline.metrics.sample_spreads import Copying
from leadline.models import dcgan, drawn_pictures
from leadline.runs import Observer, Run, drawings
from leadline.runs.drawing_runs import Watch, judging_features, sheet_of
from leadline.runs.drawings import copying_text
from leadline.runs.judging_drawings import compared_with, drawn_rows, feature_rows, normal_of_pixels
from leadline.runs.making_up import file_names, made_up

QUICK = {
    "data.task": "generate",
    "model.width": 8,
    "model.latent": 8,
    "training.learning_rate": 2e-3,
    "training.epochs": 40,
    "training.batch": 16,
    "training.threads": 1,
    "training.layout": "contiguous",
    "training.device": "cpu",
    "training.changes": "",
}


def strokes(rows: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A bright half, upright or lying, on either side, more or less bright."""
    random = np.random.default_rng(seed)
    pictures = random.integers(20, 40, (rows, 8, 8, 1), dtype=np.uint8)
    classes = random.integers(0, 2, rows)
    for picture, lying in zip(pictures, classes, strict=True):
        at = slice(4, 8) if random.integers(2) else slice(0, 4)
        bright = random.integers(120, 250)
        if lying:
            picture[at] = bright
        else:
            picture[:, at] = bright
    return pictures, classes


class Notes(Observer):
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def note(self, label: str, text: str) -> None:
        self.told.append((label, text))


@pytest.fixture(scope="module")
def said() -> Notes:
    return Notes()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, said: Notes) -> Run:
    pictures, classes = strokes(320)
    folder = tmp_path_factory.mktemp("runs") / "strokes"
    return leadline.train((pictures, classes), changes=QUICK, folder=folder, observer=said)


def test_it_learns_to_draw_what_it_has_seen(run: Run) -> None:
    results = run.results
    distances = run.history["valid_frechet"]
    assert min(distances) < distances[0] / 3
    assert results["headline"] == "frechet"
    assert run.score == results["scores"]["frechet"]["value"]
    assert results["floor"]["frechet"]["value"] < run.score
    assert not results["collapse"]
    assert results["copying"]["ratio"] > 0.3
    drawn = run.generate(40, classes=["0"]).astype(float)[..., 0]
    lying = run.generate(40, classes=["1"]).astype(float)[..., 0]

    def upright(pictures: NDArray[Any]) -> float:
        columns, rows = (
            np.abs(pictures[:, :, :4].mean((1, 2)) - pictures[:, :, 4:].mean((1, 2))),
            np.abs(pictures[:, :4].mean((1, 2)) - pictures[:, 4:].mean((1, 2))),
        )
        return float((columns > rows).mean())

    assert upright(drawn) > 0.75
    assert upright(lying) < 0.25


def test_the_scores_are_those_of_drawings_measured_apart(run: Run) -> None:
    dataset = leadline.data.load(*strokes(320), task="generate")
    features = judging_features(run.folder, run.plan, dataset, Observer())
    prepare = dataset.schema.inputs.preparer(torch.device("cpu"))
    real = prepare(torch.from_numpy(np.array(dataset.test.inputs)))
    drawn = drawn_pictures(run.model, len(real), seed=2, classes=torch.from_numpy(dataset.test.targets))
    scores = run.results["scores"]
    assert scores["frechet"]["value"] == pytest.approx(float(frechet_distance(features(drawn), features(real))), rel=1e-4)
    kernel = kernel_distance(features(drawn), features(real))
    assert scores["kernel"]["value"] == pytest.approx(float(kernel.value), rel=1e-3, abs=1e-6)
    assert scores["kernel"]["low"] < scores["kernel"]["value"] < scores["kernel"]["high"]
    assert "tells the 2 classes of these pictures" in run.results["features"]
    assert run.results["baselines"][0]["name"] == "normal distribution of the pixels"


def test_a_copy_of_any_training_picture_is_found_and_few_are_prepared_at_once() -> None:
    dataset = leadline.data.load(*strokes(2400), task="generate")
    split, seen = dataset.train, list[int]()

    def features(pictures: Tensor) -> Tensor:
        seen.append(len(pictures))
        return pictures.flatten(1)

    assert len(compared_with(60_000)) == 60_000  # all of MNIST: a third would miss two copies of three
    rows = compared_with(len(split))
    known = feature_rows(split, dataset.schema, features, rows)
    assert max(seen) <= 1024
    prepare = dataset.schema.inputs.preparer(torch.device("cpu"))
    assert torch.equal(known, prepare(torch.from_numpy(np.array(split.inputs))).flatten(1))


def test_drawings_to_be_judged_are_never_held_all_at_once() -> None:
    pair, seen = dcgan((1, 8, 8), classes=3, latent=4, width=4), list[int]()

    def features(pictures: Tensor) -> Tensor:
        seen.append(len(pictures))
        return pictures.flatten(1)

    classes = torch.arange(1500) % 2
    found = drawn_rows(pair, 1500, classes, features)
    assert max(seen) <= 1024
    whole = drawn_pictures(pair, 1500, seed=2, classes=classes)
    assert torch.equal(found.rows, whole.flatten(1))
    assert len(found.places) == 8
    assert torch.equal(found.shown, whole[found.places])


def test_how_many_pictures_were_compared_is_said(run: Run) -> None:
    assert run.results["copying"]["compared"] == run.results["rows"]["train"]
    assert "Only" not in run.results["copying"]["told"]
    told = copying_text(Copying(0.1, 0.8), 100_000, 300_000)
    assert told.startswith("It copies: a drawing is 0.10 times as far")
    assert told.endswith("Only 100,000 of the 300,000 training pictures were looked through.")


def test_a_test_split_larger_than_what_is_judged_is_told_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "_JUDGED", 25)
    run = leadline.train(strokes(200)[0], changes=QUICK | {"training.epochs": 1}, folder=tmp_path / "run")
    assert (run.results["rows"]["test"], run.results["judged"]) == (30, 25)
    assert "from 25 pictures it had never seen" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_film_too_large_for_the_page_becomes_smaller(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Image.open(io.BytesIO(kept_film(run.folder / "sheets", most=8))) as whole:
        size = whole.size
    monkeypatch.setattr(drawings, "_FILM_BYTES", len(kept_film(run.folder / "sheets", most=8)) - 1)
    kept = drawings._film(run.folder)
    assert kept is not None
    with Image.open(io.BytesIO(base64.b64decode(kept.split(",")[1]))) as film:
        assert film.n_frames == 8  # type: ignore[attr-defined]
        assert film.size[0] <= -(-size[0] // 2)
    with Image.open(run.folder / "training.gif") as film:
        assert film.n_frames == 41  # type: ignore[attr-defined]


def test_the_folder_holds_sheets_a_film_and_drawings(run: Run, said: Notes, drawn: None) -> None:
    sheets = sorted(path.name for path in (run.folder / "sheets").iterdir())
    assert sheets == [f"epoch-{number:04}.png" for number in range(41)]
    with Image.open(run.folder / "sheets" / "epoch-0040.png") as sheet:
        assert sheet.size == (2 * 56 + 3, 6 * 56 + 5 * 3)  # a column for each class
    with Image.open(run.folder / "training.gif") as film:
        assert film.n_frames == 41  # type: ignore[attr-defined]
    for name in ("drawn.png", "nearest.png"):
        with Image.open(run.folder / name) as picture:
            assert min(picture.size) > 56
    page = run.report().read_text(encoding="utf-8")
    assert 'id="drawings"' in page
    assert "data:image/gif" in page
    assert "no FID" in page
    labels = [label for label, _ in said.told]
    assert {"data", "features", "plan", "expected", "judging", "result", "beside it", "variety", "copies"} <= set(labels)


def test_it_is_opened_and_draws_the_same(run: Run) -> None:
    again = leadline.open(run.folder)
    assert isinstance(again.schema.answers, Drawings)
    pictures = run.generate(9, seed=5)
    assert pictures.shape == (9, 8, 8, 1)
    assert pictures.dtype == np.uint8
    assert np.array_equal(pictures, again.generate(9, seed=5))
    assert not np.array_equal(pictures, again.generate(9, seed=6))
    weights = run.folder / "model.safetensors"
    damaged = run.folder.parent / "damaged"
    shutil.copytree(run.folder, damaged)
    content = bytearray(weights.read_bytes())
    content[-100] ^= 0xFF
    (damaged / "model.safetensors").write_bytes(content)
    with pytest.raises(RunError, match="has changed"):
        leadline.open(damaged)


class Stop(Observer):
    def __init__(self, at: int) -> None:
        self.at = at

    def advance(self, step: int) -> None:
        if step == self.at:
            raise KeyboardInterrupt


def weights(path: Path) -> bytes:
    return (path / "model.safetensors").read_bytes()


class StopWhen(Observer):
    def __init__(self, label: str) -> None:
        self.label = label

    def note(self, label: str, text: str) -> None:
        if label == self.label:
            raise KeyboardInterrupt


def test_what_was_kept_is_said_as_it_is(tmp_path: Path) -> None:
    """Ctrl-C while the features are learned leaves nothing; while drawings are judged it leaves the training."""
    pictures, _ = strokes(150)
    changes, told = QUICK | {"training.epochs": 1}, {}
    for label in ("features", "judging"):
        with pytest.raises(Interrupted) as caught:
            leadline.train(pictures, changes=changes, folder=tmp_path / label, observer=StopWhen(label))
        told[label] = str(caught.value)
    assert "before anything" in told["features"]
    assert "Begin it again: leadline resume" in told["features"]
    assert "what was trained is saved" in told["judging"]
    runs = [leadline.resume(tmp_path / label, pictures) for label in told]
    assert weights(runs[0].folder) == weights(runs[1].folder)


@pytest.mark.parametrize("at", [3, 17])
def test_a_training_that_was_stopped_goes_on_to_the_bit(at: int, tmp_path: Path) -> None:
    pictures, classes = strokes(150)
    changes = QUICK | {"training.epochs": 4, "training.changes": "shift, cutout"}
    whole = leadline.train((pictures, classes), changes=changes, folder=tmp_path / "whole")
    with contextlib.suppress(Interrupted):
        leadline.train((pictures, classes), changes=changes, folder=tmp_path / "parts", observer=Stop(at), checkpoint_every=0.0)
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    parts = leadline.resume(tmp_path / "parts", (pictures, classes))
    assert weights(whole.folder) == weights(parts.folder)
    assert whole.results["scores"] == parts.results["scores"]
    assert [r["valid_frechet"] for r in whole.history if "valid_frechet" in r] == parts.history["valid_frechet"]
    for sheet in (whole.folder / "sheets").iterdir():
        assert sheet.read_bytes() == (parts.folder / "sheets" / sheet.name).read_bytes()


def test_it_is_judged_beside_other_pictures(run: Run, tmp_path: Path) -> None:
    own = run.evaluate(strokes(320)[0], strokes(320)[1])
    assert own["rows"] == 320
    assert "judged by 48 drawings and pictures, this is by 320 of each: the Fréchet distance is larger for fewer" in own["note"]
    others = run.evaluate(strokes(60, seed=9)[0])
    assert others["scores"]["frechet"]["value"] < 4 * own["scores"]["frechet"]["value"]
    noise = run.evaluate(np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8))
    assert noise["scores"]["frechet"]["value"] > others["scores"]["frechet"]["value"]
    assert "no FID" in noise["note"]
    with pytest.raises(DataError, match="too few"):
        run.evaluate(strokes(10)[0])


def test_what_a_generator_is_not_asked(run: Run) -> None:
    picture = strokes(1)[0][0]
    with pytest.raises(ArgumentError, match="run.generate"):
        run.predict(picture)
    with pytest.raises(ArgumentError, match="no features"):
        run.features(picture)
    with pytest.raises(ArgumentError, match="Did you mean|Expected"):
        run.generate(3, classes=["7"])
    with pytest.raises(ArgumentError, match="steps"):
        run.generate(3, steps=10)
    with pytest.raises(ArgumentError, match="number"):
        run.generate(0)


def test_pictures_without_classes_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number, picture in enumerate(strokes(150)[0]):
        Image.fromarray(picture[:, :, 0]).save(tmp_path / "photos" / f"{number}.png")
    told = Notes()
    run = leadline.train(tmp_path / "photos", changes=QUICK | {"training.epochs": 2}, folder=tmp_path / "run", observer=told)
    assert run.model.classes == 0
    assert "which way up" in run.results["features"]
    assert run.generate(2).shape == (2, 8, 8, 1)
    again = run.evaluate(tmp_path / "photos")
    assert again["rows"] == run.results["rows"]["test"]
    assert again["scores"] == run.results["scores"]
    assert "only its test split counts" in again["note"]
    assert "larger for fewer" not in again["note"]
    with pytest.raises(ArgumentError, match="no classes"):
        run.generate(2, classes=["cat"])


def test_a_collapse_is_said_and_stands_in_the_results(tmp_path: Path) -> None:
    """A generator whose rate is a thousand times too high draws one picture."""
    told = Notes()
    changes = QUICK | {"training.learning_rate": 1.0, "training.epochs": 8, "training.loss": "minimax", "model.norm": "none"}
    run = leadline.train(strokes(150)[0], changes=changes, folder=tmp_path / "run", observer=told)
    assert run.results["collapse"]
    assert any("seed" in step for step in run.results["next"])
    assert [label for label, text in told.told if "generator" in text.lower()][:1] == ["collapse"]
    assert run.results["collapse"].split(":")[0] in (run.folder / "report.html").read_text()


def test_the_watch_waits_for_three_in_a_row_and_says_it_once() -> None:
    told = Notes()
    watch = Watch(told, loss="hinge")
    game = {"real_right": 0.8, "fake_right": 0.8, "real_logit": 1.0, "fake_logit": -1.0, "spread": 0.9}
    sound = {"epoch": 1.0, **game, "valid_pairwise": 1.0, "valid_nearest": 0.9, "valid_coverage": 0.8}
    bad = {**sound, "valid_pairwise": 0.2}
    for record in (bad, bad, sound, bad, bad, bad, bad, sound, bad):
        watch.hear(record)
    assert [label for label, _ in told.told] == ["collapse"]
    for record in [{**sound, "real_right": 0.999, "fake_right": 1.0}] * 3:
        watch.hear(record)
    assert told.told[-1][0] == "note"
    assert "has won" in told.told[-1][1]
    count = len(told.told)
    for record in [sound, *[{**sound, "spread": 0.1}] * 3]:  # of a batch; the drawings that are judged are various
        watch.hear(record)
    assert len(told.told) == count


def test_normal_pixels_have_the_mean_and_covariance_of_the_pictures() -> None:
    rows = 0.1 * torch.randn(400, 1, 2, 3) @ torch.randn(3, 3) + 0.2
    parts = list(normal_of_pixels(rows, 40_000))
    assert max(map(len, parts)) <= 1024
    drawn = torch.cat(parts).flatten(1)
    learned = rows.flatten(1)
    torch.testing.assert_close(drawn.mean(0), learned.mean(0), atol=0.01, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), learned.T.cov() * 399 / 400, atol=0.01, rtol=0.05)


def test_what_makes_nothing_up_says_what_does() -> None:
    schema = Schema(Pictures(8, 8, 1, "uint8", (0.0,), (255.0,)), leadline.data.Classes(("a", "b")))
    with pytest.raises(ArgumentError, match="--task generate"):
        made_up(torch.nn.Linear(2, 2), schema, 3)


def test_sheets_have_a_column_for_each_class() -> None:
    assert sheet_of(10)[:2] == (60, 10)
    assert sheet_of(200)[:2] == (64, 0)
    assert list(file_names(2, [])) == ["1", "2"]
    assert len(set(file_names(200, ["a/b"]))) == 200


def test_plans_that_cannot_be_are_told_before_a_folder_is_made(workplace: Path) -> None:
    for changes in ({"start.restarts": 3}, {"training.penalties.l1": 1.0}, {"model": "convnet"}):
        with pytest.raises(PlanError):
            leadline.train(strokes(150), changes={"data.task": "generate", "training.device": "cpu"} | changes)
    assert not list(workplace.iterdir())
