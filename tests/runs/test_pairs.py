"""A Run of pairs from the photos to the report: better than bicubic, opened, resumed, judged, and whole pictures enlarged."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import leadline
from leadline.data.pictures.enlarging import SmallPictures
from leadline.errors import ArgumentError, DataError, Interrupted, PlanError, RunExistsError, SourceNotFoundError
from leadline.metrics.pictures import luminance, psnr_of_each, ssim_of_each
from leadline.plan import Plan, propose, save_script
from leadline.runs import Observer, Run
from leadline.runs.enlarging import EnlargedPicture, EnlargedPictures, bicubic, enlarged
from leadline.runs.pairs import beside_text

QUICK = {
    "data.task": "pairs",
    "data.upscale": 3,
    "data.size": 48,
    "data.test": 6,
    "model.width": 16,
    "training.epochs": 12,
    "training.batch": 8,
    "training.threads": 1,
    "training.layout": "contiguous",
    "training.step": "plain",
    "training.accumulate": 1,
    "training.device": "cpu",
}


def drawing(seed: int, height: int = 75, width: int = 97) -> Image.Image:
    """Sharp shapes, drawn four times too large: what bicubic enlargement blurs and a network can learn to draw."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (4 * width, 4 * height), tuple(random.integers(0, 256, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for _ in range(14):
        corners = [(int(random.integers(0, 4 * width)), int(random.integers(0, 4 * height))) for _ in range(3)]
        pen.polygon(corners, fill=tuple(random.integers(0, 256, 3).tolist()))
    return image.resize((width, height), Image.Resampling.BOX)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawings") / "drawings"
    for number in range(24):
        path = root / ("one" if number % 2 else "two") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing(number).save(path)
    return root


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return leadline.train(photos, changes=QUICK, folder=tmp_path_factory.mktemp("runs") / "pairs")


def shades(picture: np.ndarray[Any, Any]) -> torch.Tensor:
    return luminance(torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].double())[:, :, 3:-3, 3:-3]


def test_it_is_clearly_better_than_bicubic_on_photos_it_has_never_seen(run: Run) -> None:
    assert run.results["headline"] == "psnr"
    assert run.results["upscale"] == 3
    beside = run.results["baselines"][0]
    assert beside["name"] == "bicubic"
    assert beside["network_ahead"]["low"] > 0.3
    assert run.results["scores"]["ssim"]["value"] > beside["scores"]["ssim"]["value"]
    assert f"ahead by {beside['network_ahead']['value']:.2f} dB" in beside_text(beside)


def test_the_scores_are_those_of_whole_test_photos_measured_apart(run: Run, photos: Path) -> None:
    test = leadline.data.load(photos, **run_options(run)).test
    rows = {row["id"]: row for row in run.results["photos"]}
    assert set(rows) == set(test.ids)
    for name, row in rows.items():
        with Image.open(photos / name) as photo:
            image = photo.crop((0, 0, 96, 75))
        small = image.resize((32, 25), Image.Resampling.BICUBIC)
        large = np.asarray(image)
        theirs = np.asarray(small.resize((96, 75), Image.Resampling.BICUBIC))
        ours = run.predict(small).pixels
        for picture, who in ((ours, ""), (theirs, "bicubic_")):
            assert psnr_of_each(shades(picture), shades(large)).item() == pytest.approx(row[f"{who}psnr"], abs=1e-6)
            assert ssim_of_each(shades(picture), shades(large)).item() == pytest.approx(row[f"{who}ssim"], abs=1e-9)
    assert run.score == pytest.approx(np.mean([row["psnr"] for row in rows.values()]))


def run_options(run: Run) -> dict[str, Any]:
    own = run.plan.data
    return {"task": "pairs", "upscale": own.upscale, "size": own.size, "channels": own.channels, "test": own.test}


def test_it_is_opened_and_judged_again_on_its_own_photos_and_on_others(run: Run, photos: Path, tmp_path: Path) -> None:
    again = leadline.open(run.folder)
    assert again.score == run.score
    judged = again.evaluate(photos)
    assert judged["scores"] == run.results["scores"]
    assert "only its test split counts" in judged["note"]
    for number in range(100, 106):
        drawing(number, 60, 60).save(tmp_path / f"{number}.png")
    drawing(0, 14, 60).save(tmp_path / "small.png")
    judged = again.evaluate(tmp_path)
    assert judged["rows"] == 6
    assert judged["note"] == "1 of 7 photos could not be judged: small.png (too small to judge by)."
    assert judged["baselines"][0]["network_ahead"]["value"] > 0
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        again.evaluate(tmp_path)
    with pytest.raises(SourceNotFoundError):
        again.evaluate(tmp_path / "nowhere")


def test_photos_that_have_gone_or_are_too_small_are_named(run: Run, photos: Path, tmp_path: Path) -> None:
    for number in range(24):
        drawing(100 + number).save(tmp_path / f"{number:02}.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    drawing(9, 20, 20).save(tmp_path / "tiny.png")
    found = run.evaluate(tmp_path)
    assert found["rows"] == 24
    assert "2 of 26 photos could not be judged: bad.png (" in found["note"]
    assert "tiny.png (too small to judge by)" in found["note"]
    (tmp_path / "worse.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="2 of 27 rows cannot be used"):
        run.evaluate(tmp_path)


def test_a_photo_that_goes_away_during_the_training_does_not_end_it(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "drawings")
    test = leadline.data.load(tmp_path / "drawings", task="pairs", upscale=3, size=48, test=6).test.ids
    gone = str(test[0])

    class Clearing(Observer):
        def log(self, record: dict[str, Any]) -> None:
            (tmp_path / "drawings" / gone).unlink(missing_ok=True)

    changes = {**QUICK, "training.epochs": 1}
    trained = leadline.train(tmp_path / "drawings", changes=changes, folder=tmp_path / "run", observer=Clearing())
    assert trained.results["rows"]["test"] == len(trained.results["photos"]) == len(test) - 1
    assert any(f"1 of {len(test)} photos could not be judged: {gone}" in note for note in trained.results["notes"])


def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(run: Run, photos: Path, tmp_path: Path) -> None:
    class Impatient(Observer):
        def log(self, record: dict[str, Any]) -> None:
            if record["epoch"] >= 3:
                raise Interrupted("Stopped in the middle")

    with contextlib.suppress(Interrupted):
        leadline.train(photos, changes=QUICK, folder=tmp_path / "stopped", observer=Impatient(), checkpoint_every=0.0)
    resumed = leadline.resume(tmp_path / "stopped")
    assert resumed.results["scores"] == run.results["scores"]
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name


@pytest.mark.parametrize("tile", [5, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_give_the_same_picture_as_one_piece(run: Run, tile: int, channels: int) -> None:
    picture = np.asarray(drawing(7, 33, 41))[:, :, :channels]
    whole = enlarged(run.model, run.schema, run.device, picture)
    assert whole.shape == (99, 123, channels)
    parts = enlarged(run.model, run.schema, run.device, picture, tile=tile)
    different = np.abs(whole.astype(int) - parts)
    assert different.max() <= 1
    assert (different > 0).mean() < 1e-3


def test_colours_are_those_of_bicubic_and_the_luminance_is_the_networks(run: Run) -> None:
    # Shades near the middle, so that nothing is cut off at black or white.
    picture = (np.asarray(drawing(8, 30, 40)) // 4 + 96).astype(np.uint8)
    ours = enlarged(run.model, run.schema, run.device, picture)[6:-6, 6:-6].astype(float)
    theirs = bicubic(picture, 3)[6:-6, 6:-6].astype(float)
    for one, other in ((0, 1), (2, 1)):
        colour = (ours[..., one] - ours[..., other]) - (theirs[..., one] - theirs[..., other])
        assert np.abs(colour).max() <= 2  # four shades were rounded
    assert np.abs(ours - theirs).mean() > 0.2
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    alone = enlarged(run.model, run.schema, run.device, grey[:, :, None])[6:-6, 6:-6, 0]
    assert np.abs(ours @ [0.299, 0.587, 0.114] - alone).max() < 2


def test_predict_takes_what_a_person_has(run: Run, tmp_path: Path) -> None:
    drawing(1, 20, 30).save(tmp_path / "a.png")
    drawing(2, 24, 21).convert("CMYK").save(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").write_text("no picture")
    one = run.predict(tmp_path / "a.png")
    assert isinstance(one, EnlargedPicture)
    assert one.pixels.shape == (60, 90, 3)
    assert one.id.endswith("a.png")
    np.testing.assert_array_equal(run.predict(np.asarray(drawing(1, 20, 30))).pixels, one.pixels)
    several = run.predict(tmp_path)
    assert isinstance(several, EnlargedPictures)
    assert [each.pixels.shape for each in several] == [(60, 90, 3), (72, 63, 3)]
    assert [row.id for row in several.excluded] == [str(tmp_path / "c.jpg")]
    with pytest.raises(DataError, match="cannot be read"):
        run.predict(tmp_path / "c.jpg")
    with pytest.raises(ArgumentError, match="as many ids"):
        run.predict([tmp_path / "a.png"], ids=["a", "b"])


def test_a_picture_is_saved_whole_and_never_over_another(tmp_path: Path) -> None:
    pixels = np.asarray(drawing(3, 10, 12))
    path = EnlargedPicture("x", pixels).save(tmp_path / "x.png")
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
    with pytest.raises(RunExistsError, match="exists already"):
        EnlargedPicture("x", pixels).save(path)
    assert EnlargedPicture("x", pixels[:, :, :1]).save(tmp_path / "x.jpg").stat().st_size > 0
    with pytest.raises(ArgumentError, match="no name for a picture"):
        EnlargedPicture("x", pixels).save(tmp_path / "x.doc")


def test_the_report_shows_the_pictures_side_by_side(run: Run, drawn: None) -> None:
    page = run.report().read_text(encoding="utf-8")
    shown = run._read("examples.json")["enlarged"]
    assert 1 <= len(shown) <= 8
    for example in shown:
        assert all(example[column] in page for column in ("low", "bicubic", "ours", "original"))
    assert "better than bicubic" in page
    assert "Enlarged 3 times" in page
    gains = [example["psnr"] - example["bicubic_psnr"] for example in shown]
    assert gains == sorted(gains, reverse=True)


def test_all_colours_can_be_learned_and_the_mean_of_two_networks_answers(photos: Path, tmp_path: Path) -> None:
    changes = {**QUICK, "data.channels": 3, "training.epochs": 2, "start.restarts": 2, "start.ensemble": True}
    run = leadline.train(photos, changes=changes, folder=tmp_path / "colours")
    assert isinstance(run.schema.inputs, SmallPictures)
    assert run.schema.inputs.channels == 3
    again = leadline.open(run.folder)
    picture = np.asarray(drawing(5, 20, 30))
    np.testing.assert_array_equal(again.predict(picture).pixels, run.predict(picture).pixels)
    assert again.predict(picture[:, :, 0]).pixels.shape == (60, 90, 1)
    assert len(run.results["restarts"]["networks"]) == 2


def test_a_recorded_step_trains_it_too(photos: Path, tmp_path: Path) -> None:
    changes = {**QUICK, "training.step": "recorded", "training.epochs": 2}
    recorded = leadline.train(photos, changes=changes, folder=tmp_path / "recorded")
    plain = leadline.train(photos, changes={**changes, "training.step": "plain"}, folder=tmp_path / "plain")
    assert recorded.score == pytest.approx(plain.score, abs=0.02)
    assert recorded.history["loss"][-1] < recorded.history["loss"][0]


def test_the_plan_gives_a_reason_for_each_choice_with_the_numbers_of_these_photos(photos: Path) -> None:
    dataset = leadline.data.load(photos, task="pairs", upscale=2, size=48)
    plan = propose(dataset)
    assert (plan.model.name, plan.training.loss, plan.training.monitor) == ("espcn", "squared_error", "valid_psnr")
    assert (plan.data.upscale, plan.data.size, plan.data.channels, plan.data.task) == (2, 48, 1, "pairs")
    for key in ("data.upscale", "data.channels", "model.name", "training.loss", "training.epochs", "training.batch"):
        assert plan.why[key]
    assert f"{len(dataset.train):,} crops" in plan.why["training.batch"]
    assert Plan.from_json(plan.to_json()) == plan
    assert "upscale" not in plan.model.arguments
    assert propose(dataset, {"training.optimizer": "sgd"}).training.learning_rate == 10 * plan.training.learning_rate
    mine = propose(dataset, {"training.batch": 2, "training.epochs": 5})
    assert f"over {5 * -(-len(dataset.train) // 2):,} steps" in mine.why["training.schedule"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "convnet"}, "does not enlarge pictures.*Take model=espcn"),
        ({"training.loss": "cross_entropy"}, "not for the task 'pairs'.*absolute_error"),
        ({"training.augment.flip": True}, "both pictures of a pair"),
        ({"data.upscale": 12}, "2 to 8"),
        ({"model.upscale": 3}, "no key 'model.upscale'"),
        ({"start.restarts": 2, "start.together": "stacked"}, "one after another"),
    ],
)
def test_choices_that_do_not_go_together(photos: Path, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    given = {key: value for key, value in QUICK.items() if not ("model" in changes and key.startswith("model."))}
    with pytest.raises((PlanError, ArgumentError), match=said):
        leadline.train(photos, changes={**given, **changes}, folder=tmp_path / "run")


def test_a_network_that_enlarges_answers_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="does enlarge pictures, and is not for the task 'classes'"):
        leadline.train("digits", changes={"model": "espcn"}, folder=tmp_path / "run")


def test_no_script_and_no_features(run: Run, photos: Path, tmp_path: Path) -> None:
    dataset = leadline.data.load(photos, **run_options(run))
    with pytest.raises(PlanError, match="not written as a script"):
        save_script(run.plan, dataset, tmp_path / "train.py")
    with pytest.raises(ArgumentError, match="no linear layer"):
        run.features([photos / "two" / "0.png"])
