"""The page: everything in the record is on it, whatever the record lacks is left out, and it stays small."""

import base64
import io
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
from page_records import Page, a_record, a_table, picture, score
from PIL import Image

from leadline import report


def test_everything_in_the_record_is_on_the_page():
    page = Page(report.render(a_record()))
    for text in (
        "It is right on 90.0 % of the pictures it had never seen, clearly better than a linear model (70.0 %).",
        "89.0 to 91.0 %",
        "logistic regression, fitted in 0.5 s",
        "84,218",
        "12 s",
        "Three pictures occur twice.",
        "60 rows set aside",
        "and 40 more",
        "All 40 epochs were run.",
        "6 of 66 test rows are wrong.",
        "87.0 %",
        "88 % sure",
        "Macro F1",
        "0.880",
        "900 rows give 28 updates an epoch",
        "leadline predict last photo.jpg",
        "cpu.threads",
        "Written by Leadline 0.1.0",
    ):
        assert text in page.text.replace("\u202f", " "), text
    assert [attributes["id"] for attributes in page.all("section")] == [
        "data",
        "training",
        "errors",
        "sureness",
        "examples",
        "scores",
        "plan",
        "next",
        "environment",
    ]
    assert len(page.all("svg")) == 1 + 3 + 1  # the mark; loss, accuracy and rate; calibration
    assert len(page.all("img")) == 3 + 3 + 3 + 2


@pytest.mark.parametrize("make", [a_record, a_table])
def test_page_is_accessible(make):
    page = Page(report.render(make()))
    assert page.headings()[0] == "h1"
    assert page.headings().count("h1") == 1
    levels = [int(tag[1]) for tag in page.headings()]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(image["alt"] for image in page.all("img"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in page.all("svg"))
    assert page.all("html")[0]["lang"] == "en"
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {link["href"][1:] for link in page.all("a")}
    assert targets
    assert targets <= set(ids)


@pytest.mark.parametrize("missing", ["plan_rows", "history", "results", "examples", "environment", "leadline"])
def test_page_without_a_part(missing):
    record = a_record()
    del record[missing]
    for page in (Page(report.render(record)), Page(report.render({**record, missing: None}))):
        assert "Leadline" in page.text


@pytest.mark.parametrize("missing", list(a_record()["results"]))
def test_page_without_a_part_of_the_results(missing):
    record = a_record(points=0)
    del record["results"][missing]
    Page(report.render(record))
    record["results"][missing] = None
    Page(report.render(record))


def test_empty_record_says_that_there_is_no_result():
    page = Page(report.render({}))
    assert "There is no test result yet." in page.text
    assert not page.all("section")
    assert not page.all("nav")


def test_plan_without_reasons_is_shown():
    record = a_record()
    del record["plan_rows"]
    assert "batch" in Page(report.render(record)).text


def test_small_pictures_keep_sharp_pixels():
    record = a_record()
    record["examples"] = {
        "data": [{"id": "a", "truth": "x", "picture": picture(28)}, {"id": "b", "truth": "x", "picture": picture(200)}]
    }
    assert [image.get("class") for image in Page(report.render(record)).all("img")] == ["pixels", None]


def test_size_and_time_stay_small():
    record = a_record([f"class {i}" for i in range(1000)], points=100_000)
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    large = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    for rows in record["examples"].values():
        for row in rows:
            row["picture"] = large
    start = time.process_time()
    page = report.render(record)
    assert time.process_time() - start < 5
    assert len(page.encode()) < 5_000_000
    assert "980 more in between" in Page(page).text
    assert "What was taken for what" not in page


def test_many_classes_get_the_worst_pairs_instead_of_a_matrix():
    assert Page(report.render(a_record([f"class {i}" for i in range(31)]))).text.count("class 1") >= 2
    assert 'class="matrix"' in report.render(a_record([f"class {i}" for i in range(30)]))
    assert 'class="matrix"' not in report.render(a_record([f"class {i}" for i in range(31)]))


def test_numbers_and_labels():
    record = a_record()
    record["results"] |= {
        "task": "number",
        "headline": "mae",
        "classes": ["price", "<b>"],
        "confusion": None,
        "per_class": None,
        "balance": {},
    }
    record["results"]["scores"] = {
        "mae": score(3.25, 0.5, "Mean absolute error") | {"higher_is_better": False},
        "r2": score(0.5, title="R²"),
    }
    record["results"]["residuals"] = {"truth": [[1.0, 2.0], [3.0, 5.0]], "value": [[1.5, 2.0], [2.5, 4.0]]}
    record["examples"] = {"wrong": [{"id": "row:1", "truth": 2.0, "answer": 5.5}]}
    page = Page(report.render(record))
    assert "Its answers are off by 3.25 on average" in page.text
    assert "+3.5" in page.text
    assert len(page.all("svg")) == 1 + 2 + 1 + 4  # the mark, loss and rate, calibration, two drawings for each number
    record["results"]["task"] = "labels"
    record["examples"] = {"wrong": [{"id": "row:1", "truth": [], "answer": ["dog", "cat"], "probability": 0.9}]}
    assert "dog, cat" in Page(report.render(record)).text


def test_write_is_what_render_returns(tmp_path):
    path = report.write(tmp_path / "report.html", a_record())
    assert path.read_text(encoding="utf-8") == report.render(a_record())
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_summary_card_tells_the_result_without_styles_or_ids():
    page = Page(report.summary_card(a_record()))
    assert "clearly better than a linear model" in page.text
    assert "84,218 parameters" in page.text
    assert not page.all("style")
    assert not any("id" in attributes or "class" in attributes for _, attributes in page.tags)


def test_importing_the_report_is_light():
    code = "import sys, leadline.report; print({'torch', 'matplotlib', 'jinja2', 'numpy', 'PIL'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"


def test_of_an_ensemble_no_epoch_is_marked_as_kept():
    record = a_record()
    assert ">kept<" in report.render(record)
    networks = [{"changes": {"training.seed": seed}, "value": 0.1 + seed / 10, "best_epoch": 2} for seed in range(3)]
    record["results"]["restarts"] = {"networks": networks, "winner": 0, "monitor": "valid_loss", "ensemble": False}
    assert ">kept<" in report.render(record)
    record["results"]["restarts"] |= {"ensemble": True, "mean": 0.09}
    assert ">kept<" not in report.render(record)
