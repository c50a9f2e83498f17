"""`leadline similar`: a table in 80 columns, JSON, a sheet that overwrites nothing, and each mistake in a paragraph."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import leadline
from leadline import data
from leadline.runs.similar_index import index_of

TypeIn = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "digits"
    quick = {"model": "linear", "training.epochs": 2, "training.threads": 1}
    return leadline.train("digits", folder=folder, changes=quick).folder


@pytest.fixture
def photos(workplace: Path) -> Path:
    for number, picture in enumerate(data.load("digits").test.inputs[:15]):
        path = workplace / "photos" / f"{number}{'-long' * 20 if number == 7 else ''}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture[:, :, 0]).save(path)
    return workplace / "photos"


def test_a_table_an_index_and_a_sheet(trained: Path, photos: Path, type_in: TypeIn) -> None:
    status, out, err = type_in("similar", trained, photos / "3.png", "--among", photos, "--top", "20")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    rows = [line.split(maxsplit=3) for line in lines if line[:4].strip().isdigit()]
    assert [row[0] for row in rows] == [str(rank) for rank in range(1, 15)]  # all but the picture itself
    assert "3.png" not in [row[3] for row in rows]
    cosines = [float(row[1]) for row in rows]
    assert cosines == sorted(cosines, reverse=True)
    index = index_of(leadline.open(trained), photos)
    expected = [name for name, _ in index.nearest(photos / "3.png", 15) if name != "3.png"]
    assert [row[3].lstrip("…")[-20:] for row in rows] == [name[-20:] for name in expected]
    answers = index.run.predict([photos / name for name in expected]).answers  # type: ignore[union-attr]
    assert [row[2] for row in rows] == answers
    assert all(len(line) <= 80 for line in lines if line[:4].strip().isdigit())
    assert "itself left out" in " ".join(out.split())
    (sheet,) = (trained / "similar").glob("3-*.png")
    assert sheet.name in out
    with Image.open(sheet) as drawn:
        assert drawn.size[0] > 1000


def test_a_picture_like_none_of_the_folder_is_said_to_be(trained: Path, photos: Path, type_in: TypeIn) -> None:
    with Image.open(photos / "3.png") as picture:
        Image.eval(picture, lambda shade: 16 - shade).save("other way round.png")
    words = ("--among", photos, "--no-sheet")
    pixels = np.stack([np.asarray(Image.open(path)).ravel().astype(float) for path in sorted(photos.glob("*.png"))])
    pixels /= np.linalg.norm(pixels, axis=1, keepdims=True)
    pairs = (pixels @ pixels.T)[np.triu_indices(len(pixels), 1)]
    status, out, _ = type_in("similar", trained, "other way round.png", *words, "--json")
    record = json.loads(out)
    best = record["similar"][0]["similarity"]
    typical = record["typical_pair"]
    assert (status, record["measure"]) == (0, "cosine")
    assert typical["low"] < typical["median"] < typical["high"]
    # The features of a linear network are the pixels, each on a scale of its own: of the same order as these.
    assert typical["median"] == pytest.approx(np.median(pairs), abs=0.6)
    assert record["unsure"] == (best <= typical["high"])
    assert record["unsure"]
    said = " ".join(type_in("similar", trained, "other way round.png", *words)[1].split())
    told = re.search(r"drawn at random have (\S+) \(eight of ten pairs (\S+) to (\S+)\)", said)
    assert told is not None
    assert [float(each) for each in told.groups()] == pytest.approx(
        [typical[name] for name in ("median", "low", "high")], abs=6e-4
    )
    assert "the cosine of what the last layer sees" in said
    assert f"unsure the nearest picture, at {best:.3f}, is " in said
    assert ("nothing here looks like it" in said) == (best <= typical["median"])


def test_a_copy_of_a_picture_is_not_unsure_and_two_pictures_have_no_pairs(trained: Path, photos: Path, type_in: TypeIn) -> None:
    shutil.copy(photos / "3.png", "copy.png")
    status, out, _ = type_in("similar", trained, "copy.png", "--among", photos, "--json")
    record = json.loads(out)
    assert (status, record["unsure"], record["similar"][0]["file"]) == (0, False, str(photos / "3.png"))
    said = type_in("similar", trained, "copy.png", "--among", photos, "--no-sheet")[1]
    assert "unsure" not in said
    assert "measure   the cosine" in said
    (photos.parent / "two").mkdir()
    for name in ("1.png", "2.png"):
        shutil.copy(photos / name, photos.parent / "two" / name)
    record = json.loads(type_in("similar", trained, "copy.png", "--among", photos.parent / "two", "--json")[1])
    assert (record["typical_pair"], record["unsure"]) == (None, False)
    assert "measure" not in type_in("similar", trained, "copy.png", "--among", photos.parent / "two", "--no-sheet")[1]


def test_json_names_files_in_full_and_draws_nothing_unasked(trained: Path, photos: Path, type_in: TypeIn) -> None:
    status, out, _ = type_in("similar", trained, photos / "1.png", photos / "2.png", "--among", photos, "--json", "--top", "3")
    assert status == 0
    first, second = (json.loads(line) for line in out.splitlines())
    assert first["id"] == str(photos / "1.png")
    assert first["sheet"] is None
    assert [row["rank"] for row in second["similar"]] == [1, 2, 3]
    assert all(Path(row["file"]).is_file() for row in second["similar"])


def test_a_sheet_goes_where_it_is_asked_for_and_overwrites_nothing(trained: Path, photos: Path, type_in: TypeIn) -> None:
    words = ("similar", trained, photos / "1.png", "--among", photos, "--json", "--out")
    status, out, _ = type_in(*words, "sheet.jpg")
    assert (status, json.loads(out)["sheet"]) == (0, "sheet.jpg")
    with Image.open("sheet.jpg") as drawn:
        assert drawn.format == "JPEG"
    status, _, err = type_in(*words, "sheet.jpg")
    assert (status, "exists already" in err) == (2, True)
    status, _, err = type_in(*words, "sheet.txt")
    assert (status, "ends in .png or .jpg" in " ".join(err.split())) == (2, True)
    status, out, _ = type_in(*words[:-1], "--sheet", "the same.png")  # under its other name
    assert (status, Path("the same.png").is_file()) == (0, True)


def test_copies_within_the_folder(trained: Path, workplace: Path, type_in: TypeIn) -> None:
    (workplace / "photos").mkdir()
    for seed in range(12):
        photo = Image.effect_noise((9, 9), 90 + seed).resize((90, 90), Image.Resampling.BICUBIC)
        photo.save(workplace / "photos" / f"{seed}.png")
    photo.save(workplace / "photos" / "copy.jpg", quality=60)
    status, out, _ = type_in("similar", trained, "--among", "photos", "--duplicates")
    assert status == 0
    assert "group 1   11.png, copy.jpg" in out
    assert "1 group, 1 of 13 pictures" in out
    status, out, _ = type_in("similar", trained, "--among", "photos", "--duplicates", "--json")
    assert json.loads(out) == {"group": ["photos/11.png", "photos/copy.jpg"]}
    (workplace / "photos" / "copy.jpg").unlink()
    assert "none among 12 pictures" in type_in("similar", trained, "--among", "photos", "--duplicates")[1]


def test_one_bad_picture_among_several_stops_nothing(trained: Path, photos: Path, type_in: TypeIn) -> None:
    (photos.parent / "bad.png").write_bytes(b"no picture")
    status, out, err = type_in(
        "similar", trained, photos.parent / "bad.png", photos / "1.png", "--among", photos, "--json", "--top", "1"
    )
    assert status == 2
    assert len(out.splitlines()) == 1
    assert "cannot be read as a picture" in " ".join(err.split())
    assert "1 of 2 pictures could not be used" in " ".join(err.split())
    (photos / "torn.jpg").write_bytes(b"no picture")
    status, _, err = type_in("similar", trained, photos / "1.png", "--among", photos, "--json")
    assert status == 0
    assert "1 picture could not be read and is left out: torn.jpg" in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Give at least one PICTURE"),
        (("a.png", "--duplicates"), "takes no PICTURE"),
        (("a.png", "b.png", "--out", "c.png"), "--out is for one PICTURE"),
        (("a.png", "--no-sheet", "--sheet", "c.png"), "--out and --no-sheet exclude each other"),
        (("--duplicates", "--out", "c.png"), "--out is for one PICTURE"),
        (("a.png",), "There is no file a.png"),
    ],
)
def test_mistakes_are_told(words: tuple[str, ...], said: str, trained: Path, photos: Path, type_in: TypeIn) -> None:
    status, _, err = type_in("similar", trained, *words, "--among", photos)
    assert status == 2
    assert said in " ".join(err.split())


def test_a_folder_that_is_gone_is_told(trained: Path, workplace: Path, type_in: TypeIn) -> None:
    status, _, err = type_in("similar", trained, "a.png", "--among", "nowhere")
    assert status == 2
    assert "There is no folder" in err
