"""Records of trainings, and a reader of pages, for the tests of the report."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
from PIL import Image

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
            "augmented": [{"id": "row:1", "before": picture(), "after": [picture(fill=9)]}],
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
