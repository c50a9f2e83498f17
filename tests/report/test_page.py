import base64
import io
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from leadline import report

VOID = {"meta", "link", "img", "br"}
STRANGE = [
    "<script>alert(1)</script>",
    "\"quoted\" 'name'",
    "🌸",
    "a" * 300,
    "</style><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}",
    "$x^2$",
    " ",
]


class Page(HTMLParser):
    """Every tag with its attributes, all text, and an error for a tag that closes another."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text, self.shown = [], [], "", ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def headings(self):
        return [tag for tag, _ in self.tags if tag in ("h1", "h2", "h3")]


def picture(size=8, fill=90):
    file = io.BytesIO()
    Image.fromarray(np.full((size, size), fill, np.uint8)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def score(value, width=0.01, title="Accuracy"):
    return {"value": value, "low": value - width, "high": min(1.0, value + width), "title": title, "higher_is_better": True}


def a_record(names=("ant", "bee", "cat"), points=40):
    count = len(names)
    confusion = np.eye(count, dtype=int) * 20 + np.eye(count, k=1, dtype=int) * 3
    examples = [
        {"id": f"row:{i}", "truth": name, "answer": names[0], "probability": 0.876, "picture": picture()}
        for i, name in enumerate(names)
    ]
    history = [
        {"step": i, "epoch": i / 10, "seconds": i, "rate": 0.01, "loss": 2.0 / (1 + i), "accuracy": 0.5} for i in range(points)
    ]
    for i in range(9, points, 10):
        history[i] |= {"valid_loss": 1 / i, "valid_accuracy": 0.75, "best": i == 19}
    results = {
        "task": "classes",
        "name": "beasts",
        "rows": {"train": 900, "valid": 100, "test": int(confusion.sum())},
        "classes": list(names),
        "headline": "accuracy",
        "scores": {"accuracy": score(0.9), "auroc": None, "f1": score(0.88, title="Macro F1")},
        "baselines": [
            {"name": "linear model", "detail": "logistic regression", "seconds": 0.5, "scores": {"accuracy": score(0.7)}}
        ],
        "confusion": confusion.tolist(),
        "calibration": {"confidence": [None, 0.5, 0.9], "accuracy": [None, 0.4, 0.8], "count": [0, 20, 80]},
        "per_class": {name: {"rows": 23, "recall": 20 / 23, "precision": None} for name in names},
        "balance": {part: {name: 7 + i for i, name in enumerate(names)} for part in ("train", "valid", "test")},
        "seconds": {"data": 0.1, "training": 12.5, "total": 13},
        "epochs": 40,
        "best_epoch": 31,
        "stopped": "All 40 epochs were run.",
        "parameters": 84218,
        "notes": ["Three pictures occur twice."],
        "excluded": [{"id": f"bad/{i}.jpg", "reason": "truncated"} for i in range(60)],
        "next": ["Type `leadline predict last photo.jpg`."],
        "device": "cpu",
        "threads": 2,
    }
    return {
        "plan": {"training": {"batch": 32}},
        "plan_rows": [{"key": "training.batch", "value": 32, "why": "900 rows give 28 updates an epoch"}],
        "history": history,
        "results": results,
        "examples": {
            "data": examples,
            "wrong": examples,
            "uncertain": examples,
            "augmented": [{"id": "row:1", "before": picture(), "after": picture(fill=9)}],
        },
        "environment": {"python": "3.12", "cpu": {"threads": 2}},
        "leadline": "0.1.0",
    }


def a_table(names=("age", "job", "when"), classes=("no", "yes")):
    """The record of a training on a table."""
    record = a_record(list(classes))
    kinds = {0: "number", 1: "category", 2: "date"}
    columns = [
        {"name": "y", "kind": "target", "why": "two values", "missing": 0.0, "distinct": 2, "common": [["no", 60], ["yes", 40]]}
    ]
    for at, name in enumerate(names):
        more = [{"low": 1, "median": 2, "high": 9, "histogram": [3, 5, 1]}, {"common": [[name, 70], ["b", 30]]}][at % 2]
        columns.append({"name": name, "kind": kinds[at % 3], "why": f"why {name}", "missing": 0.125, "distinct": 44, **more})
    columns.append({"name": "id", "kind": "left out", "why": "each row has its own"})
    share = {"no": [0.9, 0.6], "yes": [0.1, 0.4]}
    dependence = [
        {"name": name, "kind": "number", "x": [1, 9], "outputs": share, "low": share, "high": share, "density": [1, 2]}
        if at % 2
        else {"name": name, "kind": "category", "x": [name, "b"], "outputs": share}
        for at, name in enumerate(names[:4])
    ]
    measured = [{"name": name, "value": 0.1 / (1 + at), "low": 0.05 - at / 20, "high": 0.2} for at, name in enumerate(names)]
    record["results"] |= {
        "columns": columns,
        "importance": {"metric": "accuracy", "title": "Accuracy", "rows": 2000, "repeats": 5, "columns": measured},
        "dependence": dependence,
    }
    values = {name: f"value {name}" for name in names[:3]}
    record["examples"] = {"wrong": [{"id": "t.csv:7", "truth": "no", "answer": "yes", "probability": 0.9, "values": values}]}
    return record


def test_a_table_shows_its_columns_what_matters_and_the_values_of_wrong_rows():
    page = Page(report.render(a_table()))
    for text in (
        "5 columns: the target, 1 number, 1 category, 1 date, 1 left out.",
        "why age",
        "1 to 9, median 2",
        "12.5 % missing",
        "1 column left out",
        "each row has its own",
        "How far the accuracy falls when one column is shuffled",
        "10.0 %",
        "The intervals of",
        "the mean probability of",
        "value when",
    ):
        assert text in page.text.replace("\u202f", " "), text
    sections = [attributes["id"] for attributes in page.all("section")]
    assert sections[:4] == ["data", "columns", "training", "matters"]
    assert {"#columns", "#matters"} <= {link["href"] for link in page.all("a")}
    assert len([svg for svg in page.all("svg") if svg.get("class") == "spark"]) == 4
    assert len([svg for svg in page.all("svg") if "The mean answer by" in svg.get("aria-label", "")]) == 3


@pytest.mark.parametrize("missing", ["columns", "importance", "dependence", "coverage"])
def test_a_table_without_a_part(missing):
    record = a_table()
    for nothing in (None, [], {}):
        record["results"][missing] = nothing
        Page(report.render(record))
    for kept in ("importance", "dependence"):
        record = a_table()
        record["results"][{"importance": "dependence", "dependence": "importance"}[kept]] = None
        assert "What matters" in Page(report.render(record)).text


@pytest.mark.parametrize("count", [8, 60, 1200])
def test_a_strangers_table_stays_text(count):
    names = [*STRANGE, *(f"column {at}" for at in range(count - len(STRANGE)))]
    record = a_table(names, classes=STRANGE[:2])
    for column in record["results"]["columns"]:
        column["why"] = "<script>alert(1)</script> `<b>`"
    record["examples"]["wrong"][0]["values"] = dict.fromkeys(names[:30], "<img src=x onerror=alert(1)>")
    record["results"]["importance"]["title"] = "<b>"
    start = time.process_time()
    text = report.render(record)
    assert time.process_time() - start < 5
    assert len(text.encode()) < 600_000
    page = Page(text)
    plain = Page(report.render(a_table()))
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags} | {"code", "small"}
    assert "<img src=x onerror=alert(1)>" in page.text
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]


def test_few_values_of_wrong_rows_are_columns_and_many_are_listed():
    record = a_table()
    wrong = record["examples"]["wrong"]
    wrong.append({"id": "t.csv:9", "truth": "no", "answer": "yes", "probability": 0.8, "values": {"job": "baker"}})
    few = Page(report.render(record))
    assert len([cell for cell in few.all("td") if cell.get("class") == "cell"]) == 2 * 3
    wrong[1]["values"] = {f"other {at}": str(at) for at in range(9)}
    many = Page(report.render(record))
    assert not [cell for cell in many.all("td") if cell.get("class") == "cell"]
    assert "its values" in many.text
    assert "other 8 8" in many.text


def test_a_number_that_was_learned_as_a_quantile_says_so():
    record = a_table()
    record["results"]["coverage"] = {"quantile": 0.9, "share": 0.88}
    assert "It answers with the 90 % quantile" in Page(report.render(record)).text.replace("\u202f", " ")


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


def test_nothing_is_requested_from_anywhere():
    text = report.render(a_record())
    page = Page(text)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert not page.all("script")
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "srcset"):
            assert attributes.get(name, "#").startswith(("data:", "#")), (tag, attributes)
    assert re.findall(r"https?://[^\"]*", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert "url(" not in re.sub(r"url\(#\w+\)", "", text)
    assert "@import" not in text


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


@pytest.mark.parametrize("count", [8, 25, 60])
def test_a_strangers_text_stays_text(count):
    names = [*STRANGE, *(f"class {i}" for i in range(count - len(STRANGE)))]
    record = a_record(names)
    for place in ("name", "stopped"):
        record["results"][place] = "<script>alert(2)</script>"
    record["results"]["notes"] = record["results"]["next"] = ["<script>", "an odd ` <b>", "`<i>`"]
    record["results"]["excluded"] = [{"id": "<img src=x>", "reason": "<b>"}]
    record["results"]["baselines"][0] |= {"name": "<b>linear", "detail": "<b>"}
    record["plan_rows"] = [{"key": "<b>.<i>", "value": "<script>", "why": "<script>"}]
    record["environment"] = {"</dl>": "<script>"}
    plain = Page(report.render(a_record([f"c{i}" for i in range(count)])))
    page = Page(report.render(record))
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags} | {"code", "small"}
    for name in STRANGE[:3]:
        assert name in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "(blank)" in page.text
    Page(report.summary_card(record))


def test_pictures_that_are_none_are_left_out():
    record = a_record()
    sources = [
        "javascript:alert(1)",
        "https://example.com/a.png",
        'data:image/png;base64,AA" onerror="alert(1)',
        "data:image/svg+xml;base64,AAAA",
        5,
    ]
    record["examples"] = {"data": [{"id": str(i), "truth": "ant", "picture": source} for i, source in enumerate(sources)]}
    assert not Page(report.render(record)).all("img")


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


def test_a_file_name_that_is_not_utf8_can_be_written(tmp_path):
    record = a_record()
    record["examples"]["wrong"][0]["id"] = "caf\udce9.jpg"
    assert "caf?.jpg" in report.write(tmp_path / "report.html", record).read_text(encoding="utf-8")


def test_summary_card_tells_the_result_without_styles_or_ids():
    page = Page(report.summary_card(a_record()))
    assert "clearly better than a linear model" in page.text
    assert "84,218 parameters" in page.text
    assert not page.all("style")
    assert not any("id" in attributes or "class" in attributes for _, attributes in page.tags)


def test_importing_the_report_is_light():
    code = "import sys, leadline.report; print({'torch', 'matplotlib', 'jinja2', 'numpy', 'PIL'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
