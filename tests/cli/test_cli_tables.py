"""Tables on the command line: kinds shown before training, targets asked for, rows answered one a line."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

TypeIn = Callable[..., tuple[int, str, str]]
ROWS = 120
draw = np.random.default_rng(0)
SIZE = draw.normal(100, 20, ROWS).round(1)
FRAME = pl.DataFrame(
    {
        "size": SIZE,
        "city": [("Bonn", "Ulm", "Kiel")[row % 3] for row in range(ROWS)],
        "sold": ["yes" if size > 100 else "no" for size in SIZE],
    }
)
QUICK = [
    word
    for setting in ("training.epochs=2", "model.members=2", "model.width=8", "training.threads=1")
    for word in ("--set", setting)
]


@pytest.fixture
def rows(workplace: Path) -> Path:
    FRAME.write_csv(workplace / "rows.csv")
    return workplace / "rows.csv"


@pytest.fixture
def trained(rows: Path, type_in: TypeIn) -> Path:
    status, out, _ = type_in("train", "rows.csv", "--target", "sold", *QUICK)
    assert status == 0
    assert "size  number    " in out
    assert out.index("city") < out.index("plan ")
    return rows


def test_without_a_target_the_columns_are_listed(rows: Path, type_in: TypeIn) -> None:
    status, _, err = type_in("train", "rows.csv")
    assert status == 2
    assert "Traceback" not in err
    said = " ".join(err.split())
    assert "'size' (" in said
    assert "'sold' (" in said
    assert "--target" in said
    assert not Path("runs").exists()


def test_a_mistyped_target_names_the_nearest(rows: Path, type_in: TypeIn) -> None:
    status, _, err = type_in("train", "rows.csv", "--target", "slod")
    assert status == 2
    assert "Did you mean 'sold'?" in " ".join(err.split())


def test_several_files_are_one_source(rows: Path, type_in: TypeIn) -> None:
    FRAME[:90].write_csv("train.csv")
    FRAME[90:].write_csv("test.csv")
    status, out, _ = type_in("train", "train.csv", "test.csv", "--target", "sold", *QUICK, "--json")
    assert status == 0
    assert json.loads(out)["rows"]["test"] == 30


def test_a_plan_is_printed_edited_and_given_back(rows: Path, type_in: TypeIn) -> None:
    status, out, _ = type_in("plan", "rows.csv", "--target", "sold", "--output", "plan.toml")
    assert status == 0
    assert out.strip() == "leadline train rows.csv --plan plan.toml"
    text = Path("plan.toml").read_text()
    assert 'city = "category"' in text
    Path("plan.toml").write_text(text.replace('city = "category"', 'city = "leave out"'))
    status, out, _ = type_in(
        "train", "rows.csv", "--plan", "plan.toml", "--set", "training.epochs=1", "--set", "training.threads=1"
    )
    assert status == 0
    assert "left out  chosen by you" in out


def test_rows_are_answered_one_a_line(trained: Path, type_in: TypeIn) -> None:
    FRAME.drop("sold").head(3).with_columns(more=pl.lit(1)).write_csv("new.csv")
    status, out, err = type_in("predict", "last", "new.csv")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["new.csv:2", "new.csv:3", "new.csv:4"]
    assert "'more'" in err
    answers = [json.loads(line) for line in type_in("predict", "last", "new.csv", "--json")[1].splitlines()]
    assert all(set(answer["probabilities"]) == {"yes", "no"} for answer in answers)
    table = list(csv.DictReader(io.StringIO(type_in("predict", "last", "new.csv", "--csv")[1])))
    assert [row["id"] for row in table] == ["new.csv:2", "new.csv:3", "new.csv:4"]


def test_a_bad_row_is_named_and_the_others_are_answered(trained: Path, type_in: TypeIn) -> None:
    Path("new.csv").write_text("size,city\n100,Ulm\n90,Bonn,too,many\n120,Kiel\n")
    status, out, err = type_in("predict", "last", "new.csv")
    assert (status, len(out.splitlines())) == (2, 2)
    assert "new.csv:3" in err


def test_a_table_may_come_on_standard_input(trained: Path, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"city,size\nUlm,100\n")))
    status, out, _ = type_in("predict", "last", "-")
    assert (status, len(out.splitlines())) == (0, 1)


def test_a_needed_column_is_asked_for(trained: Path, type_in: TypeIn) -> None:
    Path("new.csv").write_text("size\n100\n")
    status, _, err = type_in("predict", "last", "new.csv")
    assert status == 2
    assert "'city'" in err
    status, _, err = type_in("predict", "last", "none.csv")
    assert status == 2


def test_features_go_to_a_file_that_is_never_overwritten(trained: Path, type_in: TypeIn) -> None:
    status, out, _ = type_in("predict", "last", "rows.csv", "--features", "--output", "f.parquet")
    assert status == 0
    assert f"{ROWS} rows of 8 features" in out
    assert pl.read_parquet("f.parquet").shape == (ROWS, 10)
    status, _, err = type_in("predict", "last", "rows.csv", "--features", "--output", "f.parquet")
    assert status == 2
    assert "exists already" in err
    assert type_in("predict", "last", "rows.csv", "--features", "--json")[0] == 2
    assert type_in("predict", "last", "rows.csv", "--output", "g.parquet")[0] == 2


def test_evaluating_other_rows(trained: Path, type_in: TypeIn) -> None:
    FRAME.head(50).write_csv("other.csv")
    status, out, _ = type_in("evaluate", "last", "other.csv", "--json")
    assert status == 0
    assert json.loads(out)["rows"] == 50
    FRAME.drop("sold").write_csv("without.csv")
    status, _, err = type_in("evaluate", "last", "without.csv")
    assert status == 2
    assert "lack the target 'sold'" in err
