"""What careless texts, series and forecasts end in on the command line: one clear paragraph and exit status 2."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import leadline
from leadline.runs import Run

TypeIn = Callable[..., tuple[int, str, str]]
RUN = ("--epochs", "1", "--quiet", "--folder", "run")
DAYS = [np.datetime64("2024-01-01") + day for day in range(120)]
SOLD = np.round(10 + 3 * np.sin(np.arange(120) / 7 * 2 * np.pi) + np.random.default_rng(0).normal(size=120), 2)


def reviews(rows: int) -> list[tuple[str, str]]:
    random = np.random.default_rng(0)
    words = {"good": "lovely warm happy film with a fine end".split(), "bad": "dull cold sad film with a weak end".split()}  # noqa: SIM905
    return [(mark, " ".join(random.choice(words[mark], 8))) for mark in ("good", "bad") * (rows // 2)]


def folder_of(root: Path, classes: tuple[str, ...]) -> None:
    for number, (mark, said) in enumerate(reviews(60)):
        if mark in classes:
            (root / mark).mkdir(parents=True, exist_ok=True)
            (root / mark / f"{number}.txt").write_text(said)


def table(path: Path, head: str, rows: list[tuple[object, ...]]) -> None:
    path.write_text(head + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))


@pytest.fixture
def files(workplace: Path) -> Path:
    Path("empty.txt").write_text("")
    Path("spaces.txt").write_text(" \n\n ")
    Path("one.txt").write_text("word")
    Path("binary.txt").write_bytes(np.random.default_rng(0).integers(0, 256, 50_000, dtype=np.uint8).tobytes())
    table(Path("ok.csv"), "day,sold", list(zip(DAYS, SOLD, strict=True)))
    table(Path("twice.csv"), "day,sold", [row for row in zip(DAYS, SOLD, strict=True) for _ in range(2)])
    table(Path("short.csv"), "day,sold", list(zip(DAYS[:9], SOLD, strict=False)))
    table(Path("odd.csv"), "day,sold", [(f"day {'xyz'[at % 3]}", sold) for at, sold in enumerate(SOLD)])
    table(Path("no-day.csv"), "shop,sold", [("here", sold) for sold in SOLD])
    table(Path("words.csv"), "day,sold", [(day, "many") for day in DAYS])
    table(Path("texts.csv"), "who,mark,said", [(f"p{at % 9}", *row) for at, row in enumerate(reviews(80))])
    table(Path("one-mark.csv"), "mark,said", [("good", said) for _, said in reviews(60)])
    table(Path("holes.csv"), "mark,said", [(mark, said if at % 3 else "") for at, (mark, said) in enumerate(reviews(90))])
    waves = [[at % 2, *np.sin(np.arange(30) * (0.3 if at % 2 else 0.9) + at).round(3)] for at in range(60)]
    np.savetxt("one-kind.csv", [[1, *wave[1:]] for wave in waves], delimiter=",", fmt="%g")
    Path("gaps.ts").write_text("@classLabel true a b\n@data\n" + "?,?,?,?:a\n1,2,3,4:b\n" * 30)
    folder_of(Path("one-class"), ("good",))
    folder_of(Path("hollow"), ("good", "bad"))
    for path in Path("hollow/bad").iterdir():
        path.write_text("")
    Path("nothing/here").mkdir(parents=True)
    return workplace


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("empty.txt",), "empty.txt is empty. Expected a text"),
        (("spaces.txt",), "got nothing but white space"),
        (("one.txt",), "The text is too short to be divided"),
        (("binary.txt",), "binary.txt is a binary file, not text"),
        (("gone.txt",), "There is no file, folder or data set 'gone.txt'"),
        (("one-class",), "There is only one class"),
        (("hollow",), "30 of 60 rows cannot be used: bad/1.txt ("),
        (("nothing",), "nothing"),
        (("one-mark.csv", "--target", "mark"), "mark"),
        (("holes.csv", "--target", "mark"), "30 of 90 rows cannot be used: holes.csv:2 (its text is empty)"),
        (("texts.csv", "--target", "mark", "--group", "whom"), "There is no column 'whom' for the group. Did you mean 'who'?"),
        (("texts.csv", "--target", "mark", "--time", "who"), "The column 'who' tells no time"),
        (("texts.csv", "--target", "verdict"), "There is no column 'verdict'"),
        (("one-kind.csv", "--target", "1"), "1"),
        (("gaps.ts",), "rows cannot be used: gaps.ts:3 (the series holds nothing but gaps)"),
        (("ok.csv", "--forecast", "7", "--target", "slod"), "Did you mean 'sold'?"),
        (("ok.csv", "--forecast", "500", "--target", "sold"), "500"),
        (
            ("ok.csv", "--forecast", "7", "--lookback", "900", "--target", "sold"),
            "Look back less than 900 steps: --lookback 70",
        ),
        (("ok.csv", "--forecast", "7", "--target", "sold", "--time", "dya"), "Did you mean 'day'?"),
        (("ok.csv", "--forecast", "7", "--target", "sold", "--series", "shop"), "no column 'shop'"),
        (("ok.csv", "--forecast", "7", "--target", "sold", "--group", "day"), "A forecast has no choice of 'group'"),
        (("short.csv", "--forecast", "7", "--target", "sold"), "short"),
        (("twice.csv", "--forecast", "7", "--target", "sold"), "have the moment of another row"),
        (("odd.csv", "--forecast", "7", "--target", "sold", "--time", "day"), "day"),
        (("no-day.csv", "--forecast", "7", "--target", "sold"), "time"),
        (("words.csv", "--forecast", "7", "--target", "sold"), "number"),
    ],
)
def test_it_is_one_paragraph_and_nothing_is_written(words: tuple[str, ...], says: str, files: Path, type_in: TypeIn) -> None:
    before = sorted(files.rglob("*"))
    status, out, err = type_in("train", *words, *RUN)
    assert (status, out) == (2, ""), err
    said = " ".join(err.split())
    assert re.match(r"Error: [A-Z0-9/]", said)
    assert "Traceback" not in said
    assert says in said
    assert len(said) < 1200
    assert max(map(len, err.splitlines())) <= 80 or str(files) in err  # a path is not broken
    assert sorted(files.rglob("*")) == before


QUICK = {"training.epochs": 1, "training.threads": 1, "training.device": "cpu"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    root = tmp_path_factory.mktemp("bad")
    marks, said = zip(*reviews(60), strict=True)
    waves = [np.sin(np.arange(28 + at % 3) * (0.3 if at % 2 else 0.9) + at)[:, None] for at in range(60)]
    table(root / "ok.csv", "day,sold", list(zip(DAYS, SOLD, strict=True)))
    (root / "rhyme.txt").write_text("Twinkle, twinkle, little star, how I wonder what you are!\n" * 60)
    small = QUICK | {"model.hidden": 8, "model.embedding": 8}
    return {
        "texts": leadline.train(list(said), targets=list(marks), changes=QUICK, folder=root / "texts"),
        "series": leadline.train(waves, targets=[at % 2 for at in range(60)], changes=QUICK, folder=root / "series"),
        "forecast": leadline.train(
            root / "ok.csv", changes=QUICK | {"data.forecast": 7, "data.target": "sold"}, folder=root / "forecast"
        ),
        "tokens": leadline.train(root / "rhyme.txt", changes=small, folder=root / "tokens"),
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("predict", "texts", "empty.txt"), "empty.txt is empty. Expected a text"),
        (("predict", "texts", "spaces.txt"), "got nothing but white space"),
        (("predict", "texts", "binary.txt"), "is a binary file"),
        (("predict", "texts", "nothing"), "There are no texts in nothing"),
        (("predict", "texts", "ok.csv"), "It is not clear which column holds the texts"),
        (("evaluate", "texts", "one-kind.csv"), "It is not clear which column is to be learned"),
        (("evaluate", "texts", "hollow"), "30 of 60 rows cannot be used: bad/1.txt (it is empty)"),
        (("evaluate", "texts", "gone"), "There is no file, folder or data set 'gone'"),
        (("predict", "series", "binary.txt"), "binary.txt"),
        (("predict", "series", "texts.csv"), "texts.csv"),
        (("predict", "series", "gaps.ts:3"), "gaps.ts:3 cannot be used: the series holds nothing but gaps"),
        (("evaluate", "series", "texts.csv"), "The network was trained on series"),
        (("evaluate", "series", "ok.csv"), "The network was trained on series"),
        (("predict", "forecast", ""), "empty"),
        (("predict", "forecast", "no-day.csv"), "day"),
        (("predict", "forecast", "odd.csv"), "it tells no moment"),
        (("predict", "forecast", "short.csv"), "Expected at least 14 steps"),
        (("predict", "forecast", "texts.csv"), "The table lacks the column"),
        (("evaluate", "forecast", "texts.csv"), "The table lacks the column"),
        (("predict", "tokens", ""), "An INPUT is an empty text"),
        (("evaluate", "tokens", "empty.txt"), "is empty"),
        (("evaluate", "tokens", "binary.txt"), "is a binary file"),
        (("write", "texts", "To be"), "texts"),
        (("explain", "texts"), "Nothing was named to explain"),
        (("explain", "series"), "Nothing was named to explain"),
        (("explain", "forecast"), "not trained on pictures"),
        (("explain", "tokens"), "not trained on pictures"),
        (("show", "summary", "texts", "--input", "3x224x224"), "takes other inputs"),
        (("show", "summary", "series", "--input", "224"), "takes other inputs"),
        (("show", "summary", "forecast", "--input", "224"), "takes other inputs"),
        (("show", "summary", "recurrent", "--input", "224"), "recurrent"),
        (("show", "summary", "series_convnet", "--input", "224"), "series_convnet"),
        (("show", "summary", "tfidf_linear", "--input", "224"), "tfidf_linear"),
        (("show", "summary", "text_convnet", "--input", "224"), "text_convnet"),
        (("show", "summary", "averaged_embeddings", "--input", "224"), "averaged_embeddings"),
        (("show", "summary", "recurrent_language", "--input", "224"), "recurrent_language"),
        (("show", "summary", "texts.csv", "--input", "224"), "There is no network 'texts.csv'"),
        (("train", "texts.csv", "--target", "mark", "--from", "texts", *RUN), "was trained on other inputs"),
        (("train", "gaps.ts", "--from", "series", *RUN), "cannot be used"),
    ],
)
def test_a_network_that_exists_says_it_in_one_paragraph(
    words: tuple[str, ...], says: str, runs: dict[str, Run], files: Path, type_in: TypeIn
) -> None:
    typed = [str(runs[word].folder) if word in runs and not word.endswith(".csv") else word for word in words]
    status, out, err = type_in(*typed)
    said = " ".join(err.split())
    assert (status, out.count("\n") <= 3) == (2, True), err  # `evaluate` says first what it will do
    assert "Traceback" not in said
    assert says in said
    assert len(said) < 1500
