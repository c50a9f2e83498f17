"""Explaining the pictures and the network of a Run, and what is no picture."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

import leadline
from leadline.data import Classes, Labels, Numbers, Schema
from leadline.data.answers import Answers
from leadline.data.pictures.pictures import Pictures
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, LeadlineError, RunExistsError
from leadline.explain.labelled_sheets import MADE_BY
from leadline.explain.passes import feature_maps
from leadline.models import Ensemble, convnet, linear
from leadline.plan import Plan
from leadline.runs import Run
from leadline.runs.explaining import Explainer, Seen, explain_picture
from leadline.runs.keeping_pictures import check_own, free_names, keep_png
from leadline.runs.network_figures import NetworkFigures
from leadline.runs.reloading import load_for
from leadline.runs.seeing_pictures import find_seeing
from leadline.runs.seen_sheets import seen_png

SMALL = {"training.epochs": 4, "model": "convnet", "model.width": 6, "model.stages": 2, "training.threads": 1}


def corners(count: int = 120, side: int = 16) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Grey noise with a bright square above (class 0) or below (class 1), anywhere along the row."""
    drawn = np.random.default_rng(0)
    pictures = drawn.integers(60, 120, (count, side, side, 3)).astype(np.uint8)
    targets = np.arange(count) % 2
    for picture, target in zip(pictures, targets, strict=True):
        left, top = drawn.integers(0, side - 4), (1 if target == 0 else side - 5)
        picture[top : top + 4, left : left + 4] = (250, 40, 40) if target == 0 else (40, 40, 250)
    return pictures, np.array(["above", "below"])[targets]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures")
    for at, (picture, name) in enumerate(zip(*corners(), strict=True)):
        (place / name).mkdir(exist_ok=True)
        Image.fromarray(picture).save(place / name / f"{at}.png")
    return place


@pytest.fixture(scope="module")
def seeing(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return leadline.train(folder, folder=tmp_path_factory.mktemp("runs") / "corners", changes=SMALL)


def wide_photo(path: Path) -> Path:
    """48 × 80 with a red square of 12 × 12 at row 3, column 28; the network sees its middle 48 × 48, from column 16 on."""
    picture = np.full((48, 80, 3), 90, np.uint8)
    picture[3:15, 28:40] = (250, 40, 40)
    Image.fromarray(picture).save(path)
    return path


def test_the_thing_is_found_and_the_box_lies_on_it_in_the_file(seeing: Run, tmp_path: Path) -> None:
    seen = explain_picture(seeing, wide_photo(tmp_path / "wide.png"), methods=["occlusion", "gradcam", "saliency"])
    assert seen.classes == ("above", "below")
    assert seen.values[0] > 0.9
    assert {name: maps.shape for name, maps in seen.maps.items()} == dict.fromkeys(
        ("occlusion", "gradcam", "saliency"), (2, 16, 16)
    )
    heat = seen.maps["occlusion"][0]
    assert heat[1:5, 4:8].mean() > 5 * np.abs(heat[8:]).mean()
    assert seen.box_in_file is not None
    assert seen.box is not None
    rows, columns = (seen.box_in_file.top + seen.box_in_file.bottom) / 2, (seen.box_in_file.left + seen.box_in_file.right) / 2
    assert abs(rows - 9) < 6
    assert abs(columns - 34) < 6
    assert seen.box_in_file.left == pytest.approx(16 + 3 * seen.box.left)
    assert seen.picture.shape == (48, 48, 3)  # as sharp as the file has it
    assert Image.open(io.BytesIO(seen_png(seen))).info["Software"] == MADE_BY


@pytest.mark.parametrize("kind", ["bytes", "image", "turned", "array"])
def test_the_box_is_in_pixels_of_what_was_given_however_it_was_given(kind: str, seeing: Run, tmp_path: Path) -> None:
    path = wide_photo(tmp_path / "wide.png")
    photo = Image.open(path)
    given: Any = {"bytes": path.read_bytes(), "image": photo, "array": np.asarray(photo)}.get(kind)
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6  # to be shown a quarter turn clockwise
        path = tmp_path / "turned.png"
        photo.rotate(90, expand=True).save(path, exif=exif)
        given = Image.open(path)
    expected, seen = (explain_picture(seeing, each, methods=["occlusion"]) for each in (path, given))
    assert expected.box_in_file is not None
    assert seen.box_in_file == expected.box_in_file
    assert abs((seen.box_in_file.left + seen.box_in_file.right) / 2 - 34) < 6
    assert np.array_equal(seen.picture, expected.picture)


def test_cam_and_grad_cam_agree_through_the_run_and_members_are_averaged(seeing: Run, tmp_path: Path) -> None:
    path = wide_photo(tmp_path / "wide.png")
    seen = explain_picture(seeing, path, methods=["cam", "gradcam"], classes=["below"])
    assert seen.classes == ("below",)
    assert seen.layer
    twice = Run(seeing.folder, seeing.plan, seeing.schema, Ensemble([seeing.model, seeing.model], "classes"), seeing.device)
    both = explain_picture(twice, path, methods=["cam", "gradcam"], classes=["below"])
    for method in ("cam", "gradcam"):
        assert both.maps[method] == pytest.approx(seen.maps[method], abs=1e-4)


def made(answers: Answers, model: Any = None) -> Run:
    """A Run without a training: random weights for the pictures of `corners`."""
    torch.manual_seed(0)
    schema = Schema(Pictures.learn(corners(60)[0]), answers)
    plan = dataclasses.replace(Plan(), data=dataclasses.replace(Plan().data, source="arrays"))
    model = model or convnet(schema.inputs.shape, answers.outputs, width=4, stages=2)
    return Run(Path("nowhere"), plan, schema, model, torch.device("cpu"))


@pytest.mark.parametrize(
    "answers",
    [Numbers(("a", "b"), (0.0, 5.0), (1.0, 2.0)), Labels(("a", "b", "c", "d")), Classes(("a", "b"))],
    ids=lambda each: each.task,
)
def test_numbers_and_labels_are_explained_too(answers: Answers) -> None:
    run, picture = made(answers), corners(2)[0][0]
    seen = explain_picture(run, picture)
    assert set(seen.maps) == {"gradcam", "occlusion", "saliency"}
    assert len(seen.classes) == min(3, len(answers.names))
    values = run.predictor.values(picture[None])[0]
    expected = values if answers.task == "number" else np.sort(values)[::-1][:3]
    assert seen.values == pytest.approx(expected.tolist(), abs=1e-6)
    assert seen_png(seen)[1:4] == b"PNG"


def test_the_figures_of_the_network(seeing: Run) -> None:
    figures = NetworkFigures(seeing)
    made = {figure.name: figure for figure in figures}
    assert set(made) == set(figures.names()) - {"network-templates.png"}
    assert figures.notes == []
    assert all(Image.open(io.BytesIO(figure.png)).info["Software"] == MADE_BY for figure in made.values())
    layer = figures.layers[0].name
    one = {figure.name: figure for figure in NetworkFigures(seeing, layer=layer)}
    assert f"layer {layer}" in one["network-patches.png"].says
    with pytest.raises(ArgumentError, match="no layer with a map 'conv'"):
        NetworkFigures(seeing, layer="conv")


def test_without_the_data_what_can_be_drawn_is_drawn_and_the_rest_told(seeing: Run) -> None:
    arrays = dataclasses.replace(seeing.plan, data=dataclasses.replace(seeing.plan.data, source="arrays"))
    figures = NetworkFigures(Run(seeing.folder, arrays, seeing.schema, seeing.model, seeing.device))
    assert [figure.name for figure in figures] == ["network-filters.png", "network-feature-maps.png"]
    assert "Without the data" in figures.notes[0]


def test_the_report_shows_where_it_looked_within_its_time(seeing: Run, drawn: None) -> None:
    dataset = load_for(seeing.plan)
    values = seeing.predictor.all_values(dataset.test.inputs)
    values[0] = values[0][::-1]  # one that counts as wrong
    found = find_seeing(seeing, dataset, values, seconds=20)
    assert found["method"] == "Grad-CAM"
    assert len(found["certain"]) == min(8, len(dataset.test) - 1)
    assert {row["truth"] for row in found["certain"][:2]} == {"above", "below"}
    assert all(row["truth"] == row["answer"] for row in found["certain"])
    (wrong,) = found["wrong"]
    assert wrong["truth"] != wrong["answer"]
    assert wrong["truth_overlay"] != wrong["overlay"]
    assert found["weights"]["count"] == 6
    late = find_seeing(seeing, dataset, values, seconds=-1)
    assert late["wrong"] == late["certain"] == []
    assert "What it sees" in seeing.report().read_text(encoding="utf-8")


def test_feature_maps_of_the_run_are_those_of_its_network(seeing: Run) -> None:
    x = torch.zeros(1, *seeing.schema.inputs.shape)
    figures = NetworkFigures(seeing)
    shapes = {layer.name: layer.shape for layer in figures.layers}
    for name, shape in shapes.items():
        assert feature_maps(seeing.model, x, layer=name).shape[1:] == shape


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"methods": ["gradcamm"]}, "no method 'gradcamm'.*Did you mean 'gradcam'"),
        ({"classes": ["abov"]}, "no class 'abov'.*Did you mean 'above'"),
        ({"layer": "99"}, "no layer with a map '99'"),
        ({"top": 0}, "at least 1 class"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one(seeing: Run, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        Explainer(seeing, **arguments)


def test_what_is_no_picture_is_said(seeing: Run, tmp_path: Path) -> None:
    explainer = Explainer(seeing, methods=["saliency"])
    (text := tmp_path / "text.jpg").write_text("no picture")
    for raw in (text, tmp_path / "gone.jpg", np.zeros((3, 3), np.float64) + 0.5, b"bytes"):
        with pytest.raises(LeadlineError):
            explainer(raw, "raw")
    grey, tiny = Image.new("L", (40, 30), 90), Image.new("RGBA", (2, 3), (9, 9, 9, 0))
    for picture in (grey, tiny):  # other channels and sizes are made to fit, as predict does
        assert isinstance(explainer(picture, "fits"), Seen)


def test_a_run_on_tables_and_a_network_without_maps() -> None:
    run = made(Classes(("no", "yes")))
    table = Run(run.folder, run.plan, Schema(Vectors((0.0,) * 5, (1.0,) * 5), run.schema.answers), linear((5,), 2), run.device)
    for look in (lambda: explain_picture(table, np.zeros(5)), lambda: NetworkFigures(table)):
        with pytest.raises(ArgumentError, match="not trained on pictures.*got vectors of 5 numbers"):
            look()
    flat, picture = made(run.schema.answers, linear((3, 16, 16), 2)), corners(2)[0][0]
    assert set(explain_picture(flat, picture).maps) == {"occlusion", "saliency"}
    with pytest.raises(ArgumentError, match="No layer of the network has a map"):
        explain_picture(flat, picture, methods=["gradcam"])
    with pytest.raises(ArgumentError, match="No layer of the network has a map"):
        NetworkFigures(flat, layer="1")
    figures = NetworkFigures(flat)
    assert [figure.name for figure in figures] == ["network-templates.png"]
    with pytest.raises(ArgumentError, match="does not allow a class activation map"):
        explain_picture(made(run.schema.answers, headless()), picture, methods=["cam"])


def headless() -> torch.nn.Module:
    """A network whose head has a weight for each place of the map."""
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 14 * 14, 2))


def test_only_our_own_pictures_are_written_over(tmp_path: Path) -> None:
    mine, png = tmp_path / "mine.png", io.BytesIO()
    Image.new("L", (2, 2)).save(mine)
    with pytest.raises(RunExistsError, match="not from leadline explain"):
        keep_png(mine, b"")
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", MADE_BY)
    Image.new("L", (2, 2)).save(png, "PNG", pnginfo=info)
    ours = keep_png(tmp_path / "deep" / "ours.png", png.getvalue())
    assert keep_png(ours, png.getvalue()) == ours
    (tmp_path / "text.png").write_text("my notes")
    (tmp_path / "folder.png").mkdir()
    for name in ("text.png", "folder.png"):
        with pytest.raises(RunExistsError):
            check_own(tmp_path / name)
    with pytest.raises(RunExistsError, match="is not a folder"):
        keep_png(tmp_path / "text.png" / "a.png", b"")
    assert (tmp_path / "text.png").read_text() == "my notes"
    assert free_names(["x/Rose.jpg", "y/rose.jpg", "rose-2.png"]) == ["Rose", "rose-2", "rose-2-2"]
