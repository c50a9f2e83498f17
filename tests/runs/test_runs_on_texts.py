"""Texts and series from a source to a Run that predicts, evaluates, opens again and resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import leadline
from leadline import data
from leadline.data.ragged import Ragged
from leadline.data.series.series import Series
from leadline.data.texts.texts import Texts
from leadline.errors import LeadlineError

GOOD = ["A", "wonderful", "film", "and", "a", "lovely", "story", "with", "a", "happy", "end", "that", "made", "me", "smile"]
BAD = ["An", "awful", "film", "with", "a", "boring", "story", "and", "a", "dreadful", "end", "that", "made", "me", "sleep"]
QUICK = {"training.epochs": 3, "training.threads": 1, "training.device": "cpu", "training.batch": 16}


def review(good: bool, random: np.random.Generator) -> str:
    return " ".join(random.choice(GOOD if good else BAD, random.integers(4, 15)))


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, random = tmp_path_factory.mktemp("reviews"), np.random.default_rng(0)
    for name in ("good", "bad"):
        (root / name).mkdir()
        for number in range(60):
            (root / name / f"{number}.txt").write_text(review(name == "good", random))
    return root


def waves(rows: int, *, differing: bool) -> tuple[list[np.ndarray[Any, Any]], list[str]]:
    random, series, names = np.random.default_rng(0), [], []
    for row in range(rows):
        steps = int(random.integers(20, 40)) if differing else 30
        speed = 0.3 if row % 2 else 0.9
        series.append(np.sin(speed * np.arange(steps) + random.uniform(0, 6)).astype(np.float32)[:, None])
        names.append("slow" if row % 2 else "fast")
    return series, names


@pytest.mark.parametrize("model", ["tfidf_linear", "averaged_embeddings", "text_convnet", "recurrent"])
def test_texts_are_learned_and_answered(model: str, reviews: Path, tmp_path: Path) -> None:
    run = leadline.train(reviews, changes={"model": model, **QUICK}, folder=tmp_path / "run")
    assert isinstance(run.schema.inputs, Texts)
    assert run.score > 0.7
    assert [row["name"] for row in run.results["baselines"]] == ["linear model"]
    again = leadline.open(tmp_path / "run")
    answers = again.predict(["a lovely story", "boring and dreadful"])
    assert answers.answers == ["good", "bad"]
    assert again.predict("a lovely story").answer == "good"
    assert len(again.predict(reviews / "bad")) == 60
    assert again.evaluate(reviews)["rows"] == run.results["rows"]["test"]


def test_a_plan_for_texts_says_why(reviews: Path) -> None:
    plan = leadline.plan.propose(data.load(reviews))
    assert plan.model.name == "averaged_embeddings"
    assert "84" in plan.why["model.name"]


def test_a_csv_of_texts_is_one(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    lines = [f'{"good" if row % 2 else "bad"},"{review(bool(row % 2), random)}"' for row in range(80)]
    path = tmp_path / "reviews.csv"
    path.write_text("mark,said\n" + "\n".join(lines))
    dataset = data.load(path, target="mark")
    assert isinstance(dataset.schema.inputs, Texts)
    assert isinstance(dataset.train.inputs, Ragged)
    run = leadline.train(dataset, changes=QUICK, folder=tmp_path / "run")
    assert leadline.open(run.folder).evaluate(path)["rows"] > 0


@pytest.mark.parametrize("differing", [True, False])
def test_series_are_learned_and_answered(differing: bool, tmp_path: Path) -> None:
    series, names = waves(80, differing=differing)
    lines = "\n".join(
        ",".join(f"{value:.4f}" for value in row[:, 0]) + f":{name}" for row, name in zip(series, names, strict=True)
    )
    path = tmp_path / "waves.ts"
    path.write_text("@problemName waves\n@univariate true\n@classLabel true slow fast\n@data\n" + lines + "\n")
    run = leadline.train(path, changes={**QUICK, "training.epochs": 8}, folder=tmp_path / "run")
    assert isinstance(run.schema.inputs, Series)
    assert run.score > 0.7
    again = leadline.open(run.folder)
    assert again.predict(series[0]).answer in names
    assert len(again.predict(series[:5])) == 5
    assert (again.folder / "report.html").exists()


def test_lists_of_texts_and_of_arrays_are_sources() -> None:
    random = np.random.default_rng(2)
    texts = [review(bool(row % 2), random) for row in range(60)]
    assert isinstance(data.load(texts, [row % 2 for row in range(60)]).schema.inputs, Texts)
    series, names = waves(60, differing=True)
    assert isinstance(data.load(series, names).schema.inputs, Series)


def test_networks_of_pictures_refuse_texts(reviews: Path) -> None:
    with pytest.raises(LeadlineError, match="different lengths"):
        leadline.train(reviews, changes={"model": "mlp", **QUICK})
    with pytest.raises(LeadlineError, match="texts or series"):
        leadline.train("digits", changes={"model": "recurrent", **QUICK})
