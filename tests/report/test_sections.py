import base64

import pytest

from leadline.report import data_sections, result_sections


def test_bars_stand_where_their_scores_are():
    scores = {"accuracy": {"value": 0.9, "low": 0.85, "high": 0.95, "title": "Accuracy"}}
    baseline = {"name": "linear model", "scores": {"accuracy": {"value": 0.7, "low": 0.65, "high": 0.75}}}
    view = result_sections.score_view({"headline": "accuracy", "scores": scores, "baselines": [baseline]})
    ours, theirs = view["bars"]["rows"]
    start, end = (float(view["bars"][side].rstrip("\u202f%")) for side in ("start", "end"))
    assert start <= 65
    assert 95 <= end <= 100
    for bar, score in ((ours, scores["accuracy"]), (theirs, baseline["scores"]["accuracy"])):
        for place, key in (("at", "value"), ("from", "low"), ("to", "high")):
            assert start + bar[place] / 100 * (end - start) == pytest.approx(100 * score[key])


def test_a_baseline_without_the_metric_has_no_bar_but_keeps_its_column():
    scores = {"accuracy": {"value": 0.9, "low": 0.9, "high": 0.9}, "f1": {"value": 0.8, "low": 0.7, "high": 0.9}}
    view = result_sections.score_view(
        {"headline": "accuracy", "scores": scores, "baselines": [{"name": "linear model", "scores": {"f1": {"value": 0.5}}}]}
    )
    assert len(view["bars"]["rows"]) == 1
    assert view["rows"][1]["values"] == ["0.800", "0.500"]


def test_reliance_counts_what_is_left_above_each_threshold():
    calibration = {"confidence": [0.1, 0.35, 0.6, 0.9], "accuracy": [0.0, 0.5, 0.5, 1.0], "count": [10, 10, 20, 60]}
    told = [
        {key: value.replace("\u202f", " ") for key, value in row.items()} for row in result_sections.reliance_view(calibration)
    ]
    assert told == [
        {"least": "50 %", "taken": "80.0 %", "right": "87.5 %"},
        {"least": "75 %", "taken": "60.0 %", "right": "100 %"},
    ]


def test_reliance_is_not_claimed_for_bins_of_unequal_width():
    assert (
        result_sections.reliance_view({"confidence": [0.8, 0.9, 0.99], "accuracy": [0.7, 0.9, 1.0], "count": [5, 5, 5]}) == []
    )


def test_confusions_are_sorted_and_shared_by_the_truth():
    size = 13
    matrix = [[10 * (t == a) for a in range(size)] for t in range(size)]
    matrix[0][1], matrix[2][3] = 2, 30
    view = result_sections.confusion_view({"classes": [f"c{i}" for i in range(size)], "confusion": matrix})
    assert [(pair["truth"], pair["answer"], pair["count"]) for pair in view["pairs"]] == [("c2", "c3", 30), ("c0", "c1", 2)]
    assert view["pairs"][0]["share"] == "75.0\u202f%"
    assert view["cells"][2][3]["tint"] > view["cells"][0][1]["tint"] > view["cells"][0][2]["tint"] == 0


def test_weakest_classes_come_first_and_absent_ones_last():
    view = result_sections.class_view(
        {"per_class": {"a": {"rows": 5, "recall": 0.9}, "b": {"rows": 0, "recall": None}, "c": {"rows": 5, "recall": 0.2}}}
    )
    assert [row["name"] for row in view["rows"]] == ["c", "a", "b"]
    assert result_sections.class_view({"per_class": {str(i): {"recall": i / 50} for i in range(50)}})["left_out"] == 30


def test_two_blank_class_names_stay_two_classes():
    view = data_sections.balance_view({"classes": ["", " "], "balance": {"train": {"": 3, " ": 5}}})
    assert [(row["name"], row["counts"]) for row in view["rows"]] == [("(blank)", [3]), ("(blank)", [5])]
    assert view["sentence"] == "2 classes; the largest has 5 rows, the smallest 3."


def test_pictures_stop_at_the_budget():
    source = "data:image/jpeg;base64," + base64.b64encode(bytes(600_000)).decode()
    view = data_sections.example_view(
        {"wrong": [{"id": str(i), "truth": "a", "answer": "b", "picture": source} for i in range(9)]}
    )
    kept = [row["picture"] is not None for row in view["wrong"]]
    assert kept == [True] * 3 + [False] * 6
    assert 3 * len(source) <= data_sections.PICTURE_BYTES < 4 * len(source)


def test_excluded_rows_are_gathered_by_reason():
    excluded = [{"id": f"{i}.jpg", "reason": "truncated" if i % 3 else "not a picture"} for i in range(90)]
    view = data_sections.note_view({"excluded": excluded})
    assert [(group["reason"], group["count"], group["more"]) for group in view["groups"]] == [
        ("truncated", 60, 40),
        ("not a picture", 30, 10),
    ]
    many = data_sections.note_view({"excluded": [{"id": str(i), "reason": f"reason {i}"} for i in range(50)]})
    assert (len(many["groups"]), many["rest"]) == (20, 30)


def test_plan_is_gathered_by_section():
    view = data_sections.plan_view(
        {
            "plan_rows": [
                {"key": "model.name", "value": "mlp"},
                {"key": "model.arguments.depth", "value": 3},
                {"key": "training.batch", "value": 32},
            ]
        }
    )
    assert [(section["name"], [row["key"] for row in section["rows"]]) for section in view] == [
        ("model", ["name", "arguments.depth"]),
        ("training", ["batch"]),
    ]
