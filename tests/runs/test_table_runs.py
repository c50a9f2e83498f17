"""A table to a Run and back: trained, opened, asked about rows as careless people bring them."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import leadline
from leadline.errors import ArgumentError, DataError, PlanError, SourceNotFoundError
from leadline.runs import Predictions, Run
from leadline.runs.features import write_features

ROWS = 240
QUICK = {"training.epochs": 3, "training.threads": 1, "model.members": 2, "model.width": 16, "training.device": "cpu"}
draw = np.random.default_rng(0)
SIZE = draw.normal(100, 20, ROWS).round(2)
FRAME = pl.DataFrame(
    {
        "id": range(1, ROWS + 1),
        "size": [None if row % 12 == 5 else value for row, value in enumerate(SIZE)],
        "city": [("Bonn", "Ulm", "Kiel")[row % 3] for row in range(ROWS)],
        "new": [row % 2 == 0 for row in range(ROWS)],
        "day": [datetime.date(2021, 1, 1) + datetime.timedelta(row) for row in range(ROWS)],
        "price": (SIZE * 3 + draw.normal(size=ROWS)).round(3),
        "sold": [("yes", "no", "later")[int(size > 90) + int(size > 110)] for size in SIZE],
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables")
    FRAME.write_csv(path / "rows.csv")
    changes = {**QUICK, "data.target": "sold", "data.columns.price": "leave out"}
    leadline.train(path / "rows.csv", changes=changes, folder=path / "run")
    return path


@pytest.fixture
def run(folder: Path) -> Run:
    return leadline.open(folder / "run")


def test_the_plan_holds_every_kind_with_its_reason(run: Run) -> None:
    assert dict(run.plan.data.columns) == {
        "id": "leave out",
        "size": "number",
        "city": "category",
        "new": "yes/no",
        "day": "date",
        "price": "leave out",
    }
    assert run.plan.why["data.columns.price"] == "chosen by you"
    assert "identifier" in run.plan.why["data.columns.id"]
    assert run.plan.data.target == "sold"


def test_the_results_tell_of_columns_and_what_matters(run: Run, drawn: None) -> None:
    results = run.results
    assert [column["name"] for column in results["columns"]] == ["sold", "id", "size", "city", "new", "day", "price"]
    assert results["importance"]["columns"][0]["name"] == "size"
    assert {baseline["name"] for baseline in results["baselines"]} == {"linear model", "gradient boosting"}
    first = results["dependence"][0]
    assert first["name"] == "size"
    assert all(len(values) == len(first["x"]) for values in first["outputs"].values())
    page = run.report().read_text()
    assert "What matters" in page
    assert "rows.csv:" in page


def test_rows_come_in_every_form(run: Run, folder: Path, tmp_path: Path) -> None:
    from_file = run.predict(folder / "rows.csv")
    assert isinstance(from_file, Predictions)
    assert from_file.ids[:2] == ["rows.csv:2", "rows.csv:3"]
    from_frame = run.predict(FRAME)
    np.testing.assert_allclose(from_file.values, from_frame.values, atol=1e-6)
    rows = FRAME.head(5).to_dicts()
    np.testing.assert_allclose(run.predict(rows).values, from_frame.values[:5], atol=1e-5)
    one = run.predict(rows[3])
    assert one.answer == from_frame[3].answer
    np.testing.assert_allclose(run.predict(FRAME.head(5).to_dict(as_series=False)).values, from_frame.values[:5], atol=1e-5)
    FRAME.write_parquet(tmp_path / "rows.parquet")
    np.testing.assert_allclose(run.predict(tmp_path / "rows.parquet").values, from_frame.values, atol=1e-6)


def test_columns_may_stand_in_any_order_with_others_among_them(run: Run) -> None:
    mixed = FRAME.select("day", pl.lit("x").alias("extra"), "new", "city", "size")
    predictions = run.predict(mixed)
    np.testing.assert_allclose(predictions.values, run.predict(FRAME).values, atol=1e-6)
    assert any("'extra'" in note for note in predictions.notes)


def test_a_column_that_could_be_missing_may_be_missing_and_one_that_never_was_may_not(run: Run) -> None:
    predictions = run.predict(FRAME.drop("size", "id", "price", "sold"))
    assert any("'size' is not there" in note for note in predictions.notes)
    with pytest.raises(DataError, match="lack the column.*'city'"):
        run.predict(FRAME.drop("city"))


def test_types_that_changed_are_read_as_they_were(run: Run) -> None:
    texts = FRAME.with_columns(
        pl.col("new").cast(pl.Int8).replace_strict({0: "false", 1: "true"}), pl.col("day").cast(pl.String)
    )
    np.testing.assert_allclose(run.predict(texts).values, run.predict(FRAME).values, atol=1e-6)
    strange = run.predict(FRAME.with_columns(size=pl.lit("large")))
    assert any("'large'" in note for note in strange.notes)
    assert np.isfinite(strange.values).all()


def test_one_bad_row_never_stops_the_rest(run: Run, tmp_path: Path) -> None:
    lines = FRAME.head(9).write_csv().splitlines()
    lines[4] += ",1,2,3"
    (tmp_path / "more.csv").write_text("\n".join(lines))
    predictions = run.predict(tmp_path / "more.csv")
    assert len(predictions) == 8
    assert [row.id for row in predictions.excluded] == ["more.csv:5"]


def test_what_is_no_table_is_told(run: Run, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        run.predict(tmp_path / "none.csv")
    with pytest.raises(ArgumentError, match="no rows of a table"):
        run.predict([1, 2, 3])


def test_evaluating_counts_the_test_split_of_its_own_source_only(run: Run, folder: Path, tmp_path: Path) -> None:
    own = run.evaluate(str(folder / "rows.csv"))
    assert own["rows"] == run.results["rows"]["test"]
    assert own["scores"]["accuracy"]["value"] == run.score
    FRAME.head(30).write_csv(tmp_path / "other.csv")
    assert run.evaluate(tmp_path / "other.csv")["rows"] == 30
    assert run.evaluate(FRAME)["rows"] == ROWS


def test_features_are_what_the_head_sees(run: Run, tmp_path: Path) -> None:
    features = run.features(FRAME)
    assert features.shape == (ROWS, 16)
    done = write_features(run, [("row", FRAME.row(0, named=True))], tmp_path / "one.parquet")
    assert (done.rows, done.features, done.excluded) == (1, 16, [])
    written = pl.read_parquet(tmp_path / "one.parquet")
    np.testing.assert_allclose(written.select(pl.exclude("id", "answer")).to_numpy()[0], features[0], atol=1e-5)
    assert written["answer"][0] == run.predict(FRAME)[0].answer


def test_a_resumed_table_is_the_same_to_the_bit(tmp_path: Path) -> None:
    from leadline.errors import Interrupted
    from leadline.runs import Observer

    class Impatient(Observer):
        def log(self, record: dict[str, Any]) -> None:
            raise Interrupted("Stopped")

    FRAME.write_csv(tmp_path / "rows.csv")
    changes = {**QUICK, "data.target": "price", "data.columns.sold": "leave out"}
    whole = leadline.train(tmp_path / "rows.csv", changes=changes, folder=tmp_path / "whole")
    with pytest.raises(Interrupted):
        leadline.train(tmp_path / "rows.csv", changes=changes, folder=tmp_path / "cut", observer=Impatient())
    resumed = leadline.resume(tmp_path / "cut")
    assert (tmp_path / "cut" / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert resumed.schema == whole.schema


def test_kinds_of_a_given_plan_stay_when_the_data_are_loaded_again(tmp_path: Path) -> None:
    from leadline.data import load
    from leadline.plan import Plan, propose
    from leadline.runs.reloading import load_for

    FRAME.write_csv(tmp_path / "rows.csv")
    text = propose(load(tmp_path / "rows.csv", target="sold", columns={"price": "leave out"}), QUICK).to_toml()
    plan = Plan.from_toml(text.replace('size = "number"', 'size = "category"'))
    run = leadline.train(tmp_path / "rows.csv", plan, folder=tmp_path / "run")
    assert dict(run.plan.data.columns)["size"] == "category"
    assert load_for(run.plan).schema.inputs.columns == run.schema.inputs.columns
    assert run.evaluate(str(tmp_path / "rows.csv"))["scores"]["accuracy"]["value"] == run.score


def test_what_is_strange_in_one_row_is_told(run: Run) -> None:
    row = FRAME.row(3, named=True)
    assert run.predict(row).notes == ()
    assert any("'soon'" in note for note in run.predict({**row, "day": "soon"}).notes)


def test_several_files_are_all_answered_under_the_ids_that_are_given(run: Run, tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        FRAME.head(3).write_csv(tmp_path / name)
    assert len(run.predict(tmp_path)) == 6
    named = run.predict(FRAME.head(2), ids=["p", "q"])
    assert named.ids == ["p", "q"]
    with pytest.raises(ArgumentError, match="as many ids"):
        run.predict(FRAME.head(2), ids=["p"])
    with pytest.raises(ArgumentError, match="differ in length"):
        run.predict({"size": [1, 2], "city": ["Ulm"]})


def test_evaluating_says_what_is_strange_and_leaves_rows_without_target_out(run: Run) -> None:
    strange = run.evaluate(FRAME.with_columns(city=pl.lit("Rom")))
    assert "'Rom'" in strange["note"]
    some = run.evaluate(FRAME.with_columns(sold=pl.when(pl.int_range(pl.len()) < 100).then("sold")))
    assert some["rows"] == 100
    loud = run.evaluate(FRAME.with_columns(sold=pl.col("sold").str.to_uppercase()))
    assert loud["scores"]["accuracy"]["value"] == run.evaluate(FRAME)["scores"]["accuracy"]["value"]


def test_every_regression_loss_trains(tmp_path: Path) -> None:
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        changes = {**QUICK, "data.target": "price", "data.columns.sold": "leave out", "training.loss": loss}
        run = leadline.train(FRAME, changes=changes, folder=tmp_path / loss)
        assert np.isfinite(run.score)
        assert ("coverage" in run.results) == (loss == "quantile")


def test_a_quantile_lies_above_its_share_of_the_targets(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": draw.normal(size=3000), "y": draw.normal(size=3000)})
    changes = {
        "training.loss": "quantile(tau=0.9)",
        "data.target": "y",
        "model": "linear",
        "training.epochs": 10,
    }
    run = leadline.train(frame, changes={**changes, "training.threads": 1}, folder=tmp_path / "run")
    assert run.results["coverage"]["share"] == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize("model", ["linear", "perceptron", "mlp"])
def test_other_networks_take_tables_too(model: str, tmp_path: Path) -> None:
    changes = {
        "model": model,
        "training.epochs": 3,
        "training.threads": 1,
        "data.target": "sold",
        "data.columns.price": "leave out",
    }
    run = leadline.train(FRAME, changes=changes, folder=tmp_path / "run")
    assert run.score > 0.4
    assert leadline.open(tmp_path / "run").predict(FRAME).values.shape == (ROWS, 3)
    if model == "perceptron":
        training = run.plan.training
        assert (training.loss, training.optimizer, training.batch, training.momentum) == ("perceptron", "sgd", 128, 0)


def test_labels_and_several_numbers_train(tmp_path: Path) -> None:
    frame = FRAME.with_columns(a=pl.col("city") == "Ulm", b=pl.col("size").fill_null(0) > 100)
    labels = leadline.train(frame, changes={**QUICK, "data.target": "a,b"}, folder=tmp_path / "labels")
    assert labels.results["task"] == "labels"
    assert labels.predict(FRAME)[0].probabilities.keys() == {"a", "b"}
    numbers = leadline.train(FRAME, changes={**QUICK, "data.target": "price,size"}, folder=tmp_path / "numbers")
    assert set(numbers.predict(FRAME)[0].answer) == {"price", "size"}


def test_a_network_for_tables_needs_a_table(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="'tabular' needs a table"):
        leadline.train("digits", changes={"model": "tabular"}, folder=tmp_path / "run")


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "adagrad", "rmsprop", "lbfgs"])
def test_the_network_for_tables_learns_with_every_optimizer(optimizer: str, tmp_path: Path) -> None:
    small = {"training.threads": 1, "model.members": 2, "model.width": 32}
    changes = {"training.optimizer": optimizer, "training.step": "plain", "training.epochs": 30, **small}
    assert leadline.train("wine", folder=tmp_path / "run", changes=changes).score > 0.85
