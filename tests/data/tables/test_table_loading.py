"""Tables through `load` and `read`: who is in which split, what is learned from, and what careless files lead to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leadline.data import Classes, Numbers, Table, load, read
from leadline.errors import ArgumentError, DataError, LeadlineError, SourceNotFoundError

ROWS = 200
draw = np.random.default_rng(0)
SIZE = draw.normal(100, 20, ROWS).round(2)
FRAME = pl.DataFrame(
    {
        "size": SIZE,
        "city": [("Bonn", "Ulm", "Kiel")[row % 3] for row in range(ROWS)],
        "farm": [f"farm {row // 10}" for row in range(ROWS)],
        "day": [f"2021-{1 + row // 28:02}-{1 + row % 28:02}" for row in range(ROWS)],
        "price": (SIZE * 3 + draw.normal(size=ROWS)).round(3),
        "big": ["yes" if size > 100 else "no" for size in SIZE],
    }
)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    FRAME.write_csv(tmp_path / "rows.csv")
    return tmp_path / "rows.csv"


def test_a_csv_and_its_frame_are_the_same_dataset(csv: Path) -> None:
    from_file, from_frame = load(csv, target="big"), load(FRAME, target="big")
    assert from_file.schema.inputs.blocks == from_frame.schema.inputs.blocks
    np.testing.assert_allclose(from_file.train.inputs, from_frame.train.inputs, atol=1e-6)
    np.testing.assert_array_equal(from_file.test.targets, from_frame.test.targets)
    assert from_file.schema.answers == Classes(("no", "yes"))


def test_ids_are_lines_of_the_file(csv: Path) -> None:
    dataset = load(csv, target="big")
    lines = csv.read_text().splitlines()
    for row, name in enumerate(dataset.test.ids):
        file, _, line = name.partition(":")
        assert file == "rows.csv"
        assert lines[int(line) - 1].endswith(dataset.schema.answers.names[dataset.test.targets[row]])


def test_a_dataset_is_loaded_again_from_its_origin(csv: Path) -> None:
    first = load(csv, target="price", columns={"city": "leave out"}, time="day", transform="none", seed=3)
    options = json.loads(json.dumps(first.origin.options))
    again = load(first.origin.source, **options)
    assert again.fingerprint() == first.fingerprint()
    assert again.schema == first.schema


def test_groups_are_never_in_two_splits(csv: Path) -> None:
    dataset = load(csv, target="big", group="farm")
    farm = {f"rows.csv:{row + 2}": name for row, name in enumerate(FRAME["farm"])}
    sets = [{farm[name] for name in split.ids} for split in (dataset.train, dataset.valid, dataset.test)]
    assert sum(map(len, sets)) == len(set().union(*sets)) == 20
    assert all(sets)
    assert "farm" not in dataset.schema.inputs.blocks


def test_the_latest_rows_are_kept_to_judge_by(csv: Path) -> None:
    shuffled = FRAME.sample(fraction=1, shuffle=True, seed=1)
    dataset = load(shuffled, target="price", time="day")
    day = dict(zip((f"row:{row}" for row in range(ROWS)), shuffled["day"], strict=True))
    train, valid, test = ([day[name] for name in split.ids] for split in (dataset.train, dataset.valid, dataset.test))
    assert max(train) < min(valid)
    assert max(valid) < min(test)
    assert len(test) == pytest.approx(0.15 * ROWS, abs=1)


def test_time_and_group_are_checked(csv: Path) -> None:
    with pytest.raises(DataError, match="Did you mean 'day'"):
        load(csv, target="price", time="dai")
    with pytest.raises(DataError, match="'city' tells no time"):
        load(csv, target="price", time="city")
    with pytest.raises(ArgumentError, match="not by both"):
        load(csv, target="price", time="day", group="farm")
    with pytest.raises(DataError, match="is the target, too"):
        load(csv, target="price", group="price")
    with pytest.raises(DataError, match="group"):
        load(FRAME.with_columns(farm=pl.lit("one")), target="price", group="farm")


def test_files_named_train_and_test_are_the_parts(tmp_path: Path) -> None:
    FRAME[:150].write_csv(tmp_path / "train.csv")
    FRAME[150:].write_csv(tmp_path / "test.csv")
    dataset = load(tmp_path, target="big")
    assert all(name.startswith("test.csv:") for name in dataset.test.ids)
    assert len(dataset.test) == 50
    both = load([tmp_path / "train.csv", tmp_path / "test.csv"], target="big")
    assert both.fingerprint() == dataset.fingerprint()
    assert load(both.origin.source, target="big").fingerprint() == dataset.fingerprint()


def test_rows_are_read_again_for_a_schema(csv: Path, tmp_path: Path) -> None:
    dataset = load(csv, target="price")
    FRAME[:7].select("price", "city", "size", "farm", "day", "big").write_csv(tmp_path / "more.csv")
    split = read(tmp_path / "more.csv", dataset.schema)
    assert split.inputs.shape == (7, *dataset.schema.inputs.shape)
    np.testing.assert_allclose(split.targets[:, 0], FRAME["price"][:7].to_numpy(), rtol=1e-6)
    with pytest.raises(SourceNotFoundError):
        read(tmp_path / "mroe.csv", dataset.schema)
    with pytest.raises(DataError, match="trained on a table"):
        read(np.zeros((3, 2)), dataset.schema, targets=np.zeros(3))


def test_a_skewed_target_is_transformed_and_comes_back_in_its_units() -> None:
    income = np.exp(draw.normal(10, 1.5, 400))
    dataset = load(pl.DataFrame({"x": np.log(income) + draw.normal(size=400), "income": income}), target="income")
    answers = dataset.schema.answers
    assert isinstance(answers, Numbers)
    assert answers.units
    import torch

    targets = torch.from_numpy(dataset.train.targets)
    prepared = answers.prepare(targets)
    assert abs(float(prepared.mean())) < 1e-4
    torch.testing.assert_close(answers.values(prepared), targets, rtol=1e-4, atol=1e-2)
    plain = load(pl.DataFrame({"x": income, "income": income + 1}), target="income", transform="none", columns={"x": "number"})
    assert plain.schema.answers.units == ()
    forced = load(FRAME, target="price", transform="log")
    assert forced.schema.answers.units


def test_an_even_target_is_left_as_it_is() -> None:
    assert load(FRAME, target="price").schema.answers.units == ()


def test_several_targets(csv: Path) -> None:
    numbers = load(csv, target="price,size")
    assert (numbers.task, numbers.train.targets.shape[1]) == ("number", 2)
    frame = FRAME.with_columns(a=pl.Series(draw.random(ROWS) < 0.4), b=pl.Series(draw.random(ROWS) < 0.5))
    labels = load(frame, target="a,b")
    assert (labels.task, labels.schema.answers.names) == ("labels", ("a", "b"))


@pytest.mark.parametrize("name", ["iris", "wine", "breast-cancer", "diabetes"])
def test_bundled_tables_need_nothing(name: str) -> None:
    dataset = load(name)
    assert isinstance(dataset.schema.inputs, Table)
    assert dataset.origin.source == name
    assert dataset.task == ("number" if name == "diabetes" else "classes")
    assert len(read(name, dataset.schema)) == len(dataset.train) + len(dataset.valid) + len(dataset.test)


def test_targets_may_come_beside_a_frame() -> None:
    apart = load(FRAME.drop("big"), FRAME["big"])
    assert apart.schema.answers == Classes(("no", "yes"))
    assert load((FRAME.drop("big"), FRAME["big"])).fingerprint() == apart.fingerprint()


def test_ragged_rows_are_set_aside_with_their_lines(csv: Path) -> None:
    lines = csv.read_text().splitlines()
    lines[5] += ",more"
    lines[9] = "1,2"
    csv.write_text("\n".join(lines))
    dataset = load(csv, target="big")
    assert {row.id for row in dataset.excluded} == {"rows.csv:6", "rows.csv:10"}
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == ROWS - 2


def test_more_than_five_percent_of_bad_rows_stop_before_training(csv: Path) -> None:
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join([line + ",more" if row % 10 == 3 else line for row, line in enumerate(lines)]))
    with pytest.raises(DataError, match="at most 5 %"):
        load(csv, target="big")


def test_in_a_table_of_few_columns_rows_alike_are_no_copies() -> None:
    frame = pl.DataFrame(
        {"a": draw.choice(["x", "y"], 400), "b": draw.choice(["u", "v"], 400), "t": draw.choice(["p", "q"], 400)}
    )
    dataset = load(frame, target="t")
    assert len(dataset.test) == 60
    assert any("chance" in note for note in dataset.notes)


@pytest.mark.parametrize("times", [2, 3])
def test_copies_stay_together_whatever_their_number_their_identifier_and_their_label(times: int) -> None:
    once = FRAME.select("size", "city", "day", "big")
    copied = pl.concat([once] * times).with_row_index("id", offset=1)
    copied = copied.with_columns(big=pl.Series(draw.permutation(copied["big"].to_numpy())))
    dataset = load(copied, target="big")
    key = dict(zip((f"row:{row}" for row in range(len(copied))), copied.select("size", "day").rows(), strict=True))
    in_train = {key[name] for name in dataset.train.ids}
    assert not in_train & {key[name] for name in (*dataset.valid.ids, *dataset.test.ids)}


def test_rows_of_one_moment_are_never_parted() -> None:
    frame = pl.DataFrame(
        {
            "year": [2000 + row // 10 for row in range(200)],
            "month": [1] * 200,
            "x": draw.normal(size=200),
            "y": draw.normal(size=200),
        }
    )
    dataset = load(frame, target="y", time="year,month")
    year = dict(zip((f"row:{row}" for row in range(200)), frame["year"], strict=True))
    parts = [{year[name] for name in split.ids} for split in (dataset.train, dataset.valid, dataset.test)]
    assert not parts[0] & parts[1]
    assert not parts[1] & parts[2]


def test_numbers_that_hardly_differ_are_told_apart() -> None:
    moments = 1_600_000_000 + draw.integers(0, 100, ROWS)
    dataset = load(pl.DataFrame({"x": draw.normal(size=ROWS), "y": moments}), target="y", task="number")
    import torch

    targets = torch.from_numpy(dataset.train.targets)
    prepared = dataset.schema.answers.prepare(targets)
    assert len(prepared.unique()) == len(targets.unique()) > 50
    torch.testing.assert_close(dataset.schema.answers.values(prepared), targets, rtol=0, atol=1e-3)


def test_a_decimal_mark_and_an_encoding_are_kept_for_other_files(tmp_path: Path) -> None:
    rows = "".join(f"{row % 7};{('Łódź', 'Kraków')[row % 2]};{row % 5},{row % 9}37\n" for row in range(90))
    (tmp_path / "rows.csv").write_bytes(f"n;city;y\n{rows}".encode("cp1250"))
    dataset = load(tmp_path / "rows.csv", target="y", encoding="cp1250", columns={"n": "category"})
    (tmp_path / "more.csv").write_bytes("n;city;y\n1;Łódź;1,037\n2;Kraków;2,137\n".encode("cp1250"))
    split = read(tmp_path / "more.csv", dataset.schema)
    assert split.targets.ravel().tolist() == [1.037, 2.137]
    assert not [note for note in split.notes if "Łódź" in note]


def test_none_may_be_a_class() -> None:
    dataset = load(pl.DataFrame({"x": draw.normal(size=90), "harm": ["none", "mild", "NA"] * 30}), target="harm")
    assert dataset.schema.answers == Classes(("mild", "none"))


def test_a_feature_may_be_called_target_2() -> None:
    frame = pl.DataFrame({"x": draw.normal(size=90), "target 2": draw.normal(size=90)})
    dataset = load(frame, np.array(["a", "b", "c"] * 30))
    assert dataset.schema.answers == Classes(("a", "b", "c"))
    assert "target 2" in dataset.schema.inputs.blocks


def test_titles_and_hints_are_no_lost_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("sep=,\n" + FRAME.head(18).select("size", "big").write_csv() + ",\n" * 5)
    dataset = load(tmp_path / "rows.csv", target="big")
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == 18


def test_a_column_of_picture_addresses_is_a_column(tmp_path: Path) -> None:
    FRAME.with_columns(photo=pl.concat_str(pl.lit("https://a.org/"), "city", pl.lit(".jpg"))).write_csv(tmp_path / "rows.csv")
    assert isinstance(load(tmp_path / "rows.csv", target="big").schema.inputs, Table)


CARELESS = {
    "empty.csv": b"",
    "header.csv": b"a,b,target\n",
    "page.csv": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "one.csv": b"a,b,target\n1,2,yes\n",
    "constant.csv": b"a,b,target\n" + b"1,2,yes\n3,4,yes\n5,6,yes\n" * 9,
    "missing.csv": b"a,b,target\n" + b"1,2,\n3,4,NA\n5,6,\n" * 9,
    "binary.csv": bytes(range(256)) * 9,
    "few.csv": b"a,target\n1,x\n2,y\n",
}


@pytest.mark.parametrize("name", CARELESS)
def test_a_careless_file_is_one_clear_paragraph(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(CARELESS[name])
    with pytest.raises(LeadlineError) as told:
        load(tmp_path / name, target="target" if b"target" in CARELESS[name] else None)
    assert len(str(told.value)) < 700


def test_a_million_categories_are_left_out(tmp_path: Path) -> None:
    rows = 1_000_000
    frame = pl.DataFrame(
        {
            "name": pl.int_range(rows, eager=True).cast(pl.String) + "x",
            "size": draw.normal(size=rows),
            "target": draw.random(rows) < 0.5,
        }
    )
    dataset = load(frame, target="target")
    assert list(dataset.schema.inputs.blocks) == ["size"]


def test_numbers_beyond_float32_are_inputs_like_others() -> None:
    values = draw.normal(size=ROWS) * 1e200
    dataset = load(pl.DataFrame({"x": values, "target": ["a", "b"] * (ROWS // 2)}), target="target")
    assert np.isfinite(dataset.train.inputs).all()
    assert dataset.train.inputs.std() > 0.5
    assert not dataset.excluded
