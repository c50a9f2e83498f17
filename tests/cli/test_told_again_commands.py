"""`leadline` on trainings of inputs alone: train, predict, evaluate, explain, features, and one paragraph a mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import leadline
from leadline.runs import Run

TypeIn = Callable[..., tuple[int, str, str]]
QUICK = {"data.task": "reconstruct", "training.epochs": 3, "training.threads": 1, "training.device": "cpu"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return leadline.train("digits", changes={**QUICK, "data.usual": "0,1"}, folder=tmp_path_factory.mktemp("a") / "run")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("p") / "nine.png"
    Image.fromarray(leadline.data.load("digits").test.inputs[0][:, :, 0]).save(path)
    return path


def test_it_trains_and_says_what_comes_next(workplace: Path, type_in: TypeIn) -> None:
    settings = ("--set", "training.epochs=2", "--set", "training.threads=1", "--device", "cpu")
    status, out, err = type_in("train", "digits", "--task", "reconstruct", "--usual", "3,4", *settings, "--folder", "run")
    assert status == 0, err
    assert "told again" in out
    assert "principal components" in out
    assert "leadline predict run" in out


def test_it_says_how_odd_each_picture_is(run: Run, picture: Path, workplace: Path, type_in: TypeIn) -> None:
    status, out, _ = type_in("predict", run.folder, picture, "--out", "seen")
    assert status == 0
    assert "odd" in out or "usual" in out
    with Image.open(workplace / "seen" / "nine.png") as sheet:
        assert sheet.width > 600
    status, out, _ = type_in("predict", run.folder, picture, "--json")
    record = json.loads(out)
    assert set(record) == {"id", "odd", "score", "threshold", "rarity"}
    assert record["odd"] == (record["score"] > record["threshold"])
    status, out, _ = type_in("predict", run.folder, picture, "--csv")
    assert out.splitlines()[0] == "id,odd,score,threshold,rarity,column,holds,told"
    assert len(out.splitlines()) == 2


def test_codes_are_features(run: Run, picture: Path, workplace: Path, type_in: TypeIn) -> None:
    status, _, err = type_in("predict", run.folder, picture, "--features", "--output", "codes.parquet")
    assert status == 0, err
    assert len(pl.read_parquet("codes.parquet").columns) == 2 + run.plan.model.arguments["code"]


def test_bad_inputs_are_named(run: Run, picture: Path, workplace: Path, type_in: TypeIn) -> None:
    status, out, err = type_in("predict", run.folder, picture, "nowhere.png")
    assert status == 2
    assert "nowhere.png" in err
    assert len(out.splitlines()) == 1
    status, _, err = type_in("predict", run.folder, picture, "--top", "2")
    assert status == 2
    assert "--top" in err
    status, _, err = type_in("predict", run.folder, picture, "--samples", "3")
    assert status == 2
    assert "whole" in err


def test_it_is_judged_on_other_rows(run: Run, workplace: Path, type_in: TypeIn) -> None:
    status, out, err = type_in("evaluate", run.folder, "digits")
    assert status == 0, err
    assert "Explained variance" in out
    assert "AUROC" in out
    assert "beside it" in out
    assert "above it" in out
    np.save("rows.npy", leadline.data.load("digits").test.inputs[:, :, :, 0])
    status, out, err = type_in("evaluate", run.folder, "rows.npy")
    assert status == 0, err
    assert "AUROC" not in out


def test_its_codes_and_filters_are_drawn(run: Run, picture: Path, workplace: Path, type_in: TypeIn) -> None:
    status, _, err = type_in("explain", run.folder, "--out", "figures")
    assert status == 0, err
    kinds = {path.stem.removeprefix("network-") for path in (workplace / "figures").iterdir()}
    assert {"told-again", "oddest", "codes", "walk", "numbers", "filters"} <= kinds
    status, _, err = type_in("explain", run.folder, picture, "--out", "figures")
    assert status == 0, err
    assert (workplace / "figures" / "nine.png").exists()
    status, _, err = type_in("explain", run.folder, picture, "--method", "gradcam")
    assert status == 2
    assert "--source" in err


def test_rows_of_a_table(workplace: Path, type_in: TypeIn) -> None:
    status, _, err = type_in(
        "train",
        "iris",
        "--task",
        "reconstruct",
        "--set",
        "training.epochs=2",
        "--set",
        "training.threads=1",
        "--folder",
        "iris",
    )
    assert status == 0, err
    header = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)"
    Path("new.csv").write_text(f"{header}\n5.1,3.5,1.4,0.2\n5.1,3.5,1.4,99\n")
    status, out, err = type_in("predict", "iris", "new.csv")
    assert status == 0, err
    assert "odd" in out
    assert "petal width (cm) is 99" in out
    status, _, err = type_in("predict", "iris", "new.csv", "--out", "seen")
    assert status == 2
    assert "Only pictures can be drawn" in err
    status, out, err = type_in("explain", "iris", "--out", "figures")
    assert status == 0, err
    assert "network-codes.png" in out


def test_look_alikes_by_code(run: Run, workplace: Path, type_in: TypeIn) -> None:
    album = workplace / "album"
    album.mkdir()
    for number, each in enumerate(leadline.data.load("digits").test.inputs[:12]):
        Image.fromarray(each[:, :, 0]).save(album / f"{number}.png")
    codes = run.features([album / f"{number}.png" for number in range(12)])
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    cosines = codes @ codes[0]
    asked = ("similar", run.folder, album / "0.png", "--among", album, "--top", "3", "--no-sheet")
    status, out, err = type_in(*asked, "--json")
    assert status == 0, err
    similar = json.loads(out)["similar"]
    numbers = [int(Path(row["file"]).stem) for row in similar]
    assert 0 not in numbers, "itself is left out"
    np.testing.assert_allclose([row["similarity"] for row in similar], cosines[numbers], atol=2e-3)  # kept in half precision
    np.testing.assert_allclose(cosines[numbers], np.sort(np.delete(cosines, 0))[::-1][:3], atol=2e-3)
    status, out, err = type_in(*asked)
    assert status == 0, err
    assert [line.split()[-1] for line in out.splitlines() if ".png" in line][1:] == [f"{number}.png" for number in numbers]


def test_mistakes_are_told_before_anything_is_trained(workplace: Path, type_in: TypeIn) -> None:
    status, _, err = type_in("train", "digits", "--usual", "1")
    assert status == 2
    assert "usual" in err
    status, _, err = type_in("train", "digits", "--task", "reconstruct", "--set", "model=mlp", "--set", "training.epochs=1")
    assert status == 2
    assert "tell its inputs again" in err.replace("\n", " ")
    assert not (workplace / "runs").exists()
