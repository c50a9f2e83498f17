"""`leadline show augmentation`: a sheet of pictures, the choices and their reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from leadline.cli.show_augmentation import command
from leadline.errors import ArgumentError, LeadlineError, PlanError, RunExistsError
from leadline.explain.labelled_sheets import sheet_png


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of wide photos: one bright above, the other below."""
    folder = tmp_path_factory.mktemp("place") / "photos"
    random = np.random.default_rng(0)
    for name, half in (("low", 1), ("high", 0)):
        (folder / name).mkdir(parents=True)
        for at in range(30):
            photo = random.integers(0, 60, (40, 60, 3), dtype=np.uint8)
            photo[20 * half : 20 * half + 20] += np.uint8(150)
            Image.fromarray(photo).save(folder / name / f"{at}.png")
    return folder


def type_in(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def refused(*words: object) -> LeadlineError:
    said = type_in(*words)
    assert said.exit_code != 0
    assert isinstance(said.exception, LeadlineError), said.exception
    return said.exception


def test_a_sheet_and_the_reasons(photos: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    said = type_in(photos, "--out", sheet, "--epochs", 3, "--set", "training.augment.saturation=0.5")
    assert said.exit_code == 0, said.output
    assert said.stdout == f"{sheet}\n"
    words = " ".join(said.stderr.split())
    assert "42 training pictures" in words
    assert 'flip = "alternating": the nearest neighbour of' in words
    assert "saturation = 0.5: chosen by you" in words
    with Image.open(sheet) as image:
        wide, high = image.size
        cells = np.asarray(image.convert("RGB"))
    assert wide > 4 * 112
    assert high > 10 * 60
    assert len(np.unique(cells.reshape(-1, 3), axis=0)) > 1000, "there are pictures on it"
    assert "sheet.png" not in {path.name for path in Path.cwd().iterdir()}


def test_the_first_column_is_the_picture_and_the_rest_differ(photos: Path, tmp_path: Path) -> None:
    """Without any change but contrast, rows keep their bright halves; the picture as it is stands at the left."""
    sheet = tmp_path / "sheet.png"
    off = [f"--set=training.augment.{name}=0" for name in ("shift", "rotate", "zoom")]
    said = type_in(photos, "--out", sheet, "--epochs", 2, "--set", "training.augment.contrast=0.9", *off)
    assert said.exit_code == 0, said.output
    with Image.open(sheet) as image:
        row = np.asarray(image.convert("L")).astype(float)[100:140, 110:]
    first, second = row[:, :112], row[:, 122:234]
    assert abs(first.std() - second.std()) > 3


def test_what_is_mixed_in_is_explained_below_the_sheet(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, Any]] = []

    def drawing(rows: Any, **words: Any) -> bytes:
        drawn.append({"captions": [cell.caption for row in rows for cell in row], **words})
        return sheet_png(rows, **words)

    monkeypatch.setattr("leadline.explain.labelled_sheets.sheet_png", drawing)
    for number, mix in enumerate(([], ["--set", "training.augment.cutmix=1"])):
        said = type_in(photos, "--out", tmp_path / f"{number}.png", "--epochs", 3, *mix)
        assert said.exit_code == 0, said.output
    plain, mixed = drawn
    assert plain["note"] == ""
    assert not any(plain["captions"])
    first = next(caption for caption in mixed["captions"] if caption)
    share, answer = first.split(" % ")
    assert (
        f"“{first}” means that {share} % of what is seen comes from another training picture, whose answer is {answer}"
        in (mixed["note"])
    )
    assert f"{share} % {answer} and {100 - int(share)} % what stands at the left" in mixed["note"]
    assert mixed["columns"] == ["as it is", "epoch 1", "epoch 2", "epoch 3"]
    assert set(mixed["titles"]) == {"low", "high"}
    heights = []
    for number in range(2):
        with Image.open(tmp_path / f"{number}.png") as image:
            heights.append(image.height)
    assert heights[1] > heights[0] + 30, "room for the words below each picture and for what they mean"


def test_as_json_and_under_a_free_name(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = [json.loads(type_in(photos, "--json", "--set", "training.augment.cutmix=1").stdout) for _ in range(2)]
    assert [each["sheet"] for each in told] == ["photos-augmentation.png", "photos-augmentation-2.png"]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["photos-augmentation-2.png", "photos-augmentation.png"]
    choices = {row["key"]: row for row in told[0]["augment"]}
    assert choices["cutmix"] == {"key": "cutmix", "value": 1.0, "why": "chosen by you", "changes": True}
    assert "crop" not in choices


def test_digits_are_not_mirrored_and_nothing_is_drawn_where_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    off = [f"--set=training.augment.{name}=0" for name in ("shift", "rotate", "zoom")]
    said = type_in("digits", *off)
    assert said.exit_code == 0, said.output
    words = " ".join(said.stderr.split())
    assert "flip = false: the nearest neighbour of" in words
    assert "would mislead" in words
    assert "nothing is changed" in words
    assert not said.stdout
    assert not list(tmp_path.iterdir())


def test_mistakes_end_in_a_paragraph(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(b"mine")
    (tmp_path / "rows.csv").write_text("a,y\n" + "".join(f"{at * at % 23},{at % 2}\n" for at in range(60)))
    assert isinstance(refused(photos, "--out", tmp_path / "there.png"), RunExistsError)
    assert (tmp_path / "there.png").read_bytes() == b"mine"
    assert "ends in .png" in str(refused(photos, "--out", tmp_path / "sheet.jpg"))
    assert "holds no pictures" in str(refused(tmp_path / "rows.csv", "--target", "y"))
    grey = refused("digits", "--set", "training.augment.saturation=0.3", "--out", tmp_path / "grey.png")
    assert isinstance(grey, ArgumentError)
    assert "1 channel, which is grey" in str(grey)
    for change, words in (
        ("training.augment.crop=0", "share of the area"),
        ("training.augment.flip=sideways", "alternating"),
        ("training.augment.rotat=3", "training.augment.rotate"),
    ):
        error = refused(photos, "--set", change)
        assert isinstance(error, PlanError)
        assert words in str(error)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", "there.png"]
