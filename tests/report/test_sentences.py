import pytest

from leadline.report.sentences import (
    better_baseline,
    bounds,
    calibration_sentence,
    confusion_sentence,
    coverage_sentence,
    dependence_sentence,
    most_frequent,
    outcome,
)


def score(value, low, high, better=True):
    return {"value": value, "low": low, "high": high, "higher_is_better": better, "title": "Accuracy"}


def results(ours, *theirs, metric="accuracy", rows=1000, **more):
    baselines = [{"name": name, "scores": {metric: one}} for name, one in theirs]
    return {"headline": metric, "scores": {metric: ours}, "baselines": baselines, "rows": {"test": rows}, **more}


def test_apart_and_better_is_clearly_better_than_the_best_baseline():
    record = results(
        score(0.9, 0.88, 0.92), ("linear model", score(0.7, 0.6, 0.75)), ("nearest neighbours", score(0.8, 0.78, 0.82))
    )
    assert "clearly better than nearest neighbours (80.0" in outcome(record).headline


def test_apart_and_worse_says_plainly_that_the_baseline_wins():
    told = outcome(results(score(0.7, 0.68, 0.72), ("linear model", score(0.8, 0.78, 0.82))))
    assert "but a linear model does clearly better" in told.headline
    assert any("a linear model is the better choice" in sentence for sentence in told.details)


@pytest.mark.parametrize("value", [0.79, 0.81])
def test_overlap_calls_neither_better(value):
    told = outcome(results(score(value, 0.77, 0.83), ("linear model", score(0.8, 0.78, 0.82))))
    assert "too close to a linear model (80.0" in told.headline
    assert "better" not in told.headline
    assert any("intervals of the two overlap" in sentence for sentence in told.details)


def test_lower_is_better_turns_the_comparison_around():
    record = results(
        score(2.0, 1.9, 2.1, False),
        ("linear model", score(3.0, 2.9, 3.1)),
        ("nearest neighbours", score(9.0, 8, 10)),
        metric="mae",
    )
    assert "off by 2 on average" in outcome(record).headline
    assert "clearly better than a linear model (3)" in outcome(record).headline


def test_without_baselines_the_page_says_so():
    told = outcome(results(score(0.9, 0.88, 0.92)))
    assert told.headline.endswith("it had never seen.")
    assert "No simpler method was fitted to compare with." in told.details


def test_all_right_is_not_certainty():
    """Ours has no wrong row in 100, theirs one in 100: the resampled interval of width zero must not count as a clear win."""
    perfect, near = score(1.0, 1.0, 1.0), score(0.99, 0.96, 0.995)
    told = outcome(results(perfect, ("linear model", near), rows=100))
    assert told.headline.startswith("It is right on all 100 rows of the test split, too close to")
    assert "clearly better" in outcome(results(perfect, ("linear model", near), rows=100_000)).headline
    assert bounds("mae", score(1.0, 1.0, 1.0), 100) == (1.0, 1.0)


def test_rule_of_three_agrees_with_the_exact_binomial_bound():
    low, _ = bounds("accuracy", score(1.0, 1.0, 1.0), 300)
    assert low == pytest.approx(0.05 ** (1 / 300), abs=2e-4)


def test_a_score_no_better_than_the_most_frequent_class_is_called_that():
    common = {"classes": ["sick", "healthy"], "confusion": [[5, 5], [5, 85]]}
    below = outcome(results(score(0.85, 0.8, 0.89), **common)).details
    assert any("more than the network" in sentence for sentence in below)
    within = outcome(results(score(0.91, 0.88, 0.95), **common)).details
    assert any("not shown to be better" in sentence for sentence in within)
    above = outcome(results(score(0.97, 0.95, 0.99), **common)).details
    assert any(sentence.endswith("right on 90.0\u202f%.") for sentence in above)


def test_most_frequent_class_is_counted_on_the_test_split():
    assert most_frequent({"classes": ["a", "b"], "confusion": [[1, 2], [0, 1]]}) == ("a", 0.75)
    assert most_frequent({"balance": {"train": {"a": 9, "b": 1}, "test": {"a": 1, "b": 3}}}) == ("b", 0.75)
    assert most_frequent({}) is None


def test_few_rows_are_said_to_be_few():
    assert any("room for chance" in sentence for sentence in outcome(results(score(0.9, 0.8, 1.0), rows=50)).details)
    assert not any("room for chance" in sentence for sentence in outcome(results(score(0.9, 0.88, 0.92), rows=5000)).details)


def test_r2_is_explained():
    record = results(score(2.0, 1.9, 2.1, False), metric="mae")
    record["scores"]["r2"] = score(0.25, 0.2, 0.3)
    assert any("25.0\u202f% of how the truth varies" in sentence for sentence in outcome(record).details)
    record["scores"]["r2"] = score(-0.1, -0.2, 0.0)
    assert any("answering the mean would be as good" in sentence for sentence in outcome(record).details)


@pytest.mark.parametrize(
    ("sure", "right", "verdict"), [(0.95, 0.8, "too sure"), (0.6, 0.8, "more often than it says"), (0.8, 0.801, "at its word")]
)
def test_calibration_verdict(sure, right, verdict):
    assert verdict in calibration_sentence({"confidence": [sure], "accuracy": [right], "count": [10_000]})


def test_calibration_of_few_rows_is_not_judged_harshly():
    assert "at its word" in calibration_sentence({"confidence": [0.9], "accuracy": [0.8], "count": [20]})
    assert calibration_sentence({}) == ""


def test_confusion_sentence():
    assert confusion_sentence([], 0, 50) == "Not one of the 50 test rows is wrong."
    assert confusion_sentence([{"count": 1}], 1, 50) == "1 of 50 test rows is wrong."
    told = confusion_sentence([{"count": count} for count in (9, 5, 4, 1, 1)], 20, 400)
    assert told == "20 of 400 test rows are wrong. The 3 most frequent confusions make up 18 of them."


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.004, 0.03, "clearly better than a linear model"),
        (-0.03, -0.004, "but a linear model does clearly better"),
        (-0.01, 0.02, "too close to a linear model"),
    ],
)
def test_a_difference_on_the_same_rows_decides_where_it_was_measured(low, high, says):
    """The two intervals overlap in all three cases."""
    ours = score(0.81 if high > 0.02 or low < 0 < high else 0.79, 0.77, 0.83)
    record = results(ours, ("linear model", score(0.8, 0.78, 0.82)))
    record["baselines"][0]["network_ahead"] = {"value": (low + high) / 2, "low": low, "high": high}
    told = outcome(record)
    assert says in told.headline
    assert any("On the same rows" in sentence for sentence in told.details)


def test_boosting_that_wins_is_named_without_an_article():
    record = results(
        score(0.7, 0.68, 0.72), ("linear model", score(0.6, 0.58, 0.62)), ("gradient boosting", score(0.8, 0.78, 0.82))
    )
    told = outcome(record)
    assert "but gradient boosting does clearly better (80.0" in told.headline
    assert any("as things stand gradient boosting is the better choice" in sentence for sentence in told.details)
    record["baselines"][1]["detail"] = "101 trees, all 900 training rows"
    advice = better_baseline(record)
    assert advice.startswith(
        "Gradient boosting (101 trees, all 900 training rows) is clearly better on the same test rows: use it"
    )
    assert better_baseline(results(score(0.7, 0.68, 0.72), ("linear model", score(0.8, 0.78, 0.82)))).startswith(
        "A linear model is"
    )


@pytest.mark.parametrize("theirs", [score(0.71, 0.69, 0.73), score(0.6, 0.58, 0.62), {"value": None}])
def test_a_baseline_that_is_not_clearly_better_is_not_advised(theirs):
    assert better_baseline(results(score(0.7, 0.68, 0.72), ("gradient boosting", theirs))) == ""
    assert better_baseline({}) == ""


def test_advice_goes_by_the_difference_on_the_same_rows():
    record = results(score(2.0, 1.8, 2.2, False), ("gradient boosting", score(1.9, 1.7, 2.1, False)), metric="mae")
    assert better_baseline(record) == ""
    record["baselines"][0]["network_ahead"] = {"value": 0.1, "low": 0.05, "high": 0.15}
    assert better_baseline(record).startswith("Gradient boosting is clearly better")


@pytest.mark.parametrize(
    ("share", "rows", "verdict"),
    [(0.88, 400, "as many as should"), (0.85, 400, "fewer than should"), (0.88, 4000, "fewer than"), (0.95, 1000, "more than")],
)
def test_coverage_is_judged_by_what_chance_allows(share, rows, verdict):
    assert verdict in coverage_sentence({"coverage": {"quantile": 0.9, "share": share}, "rows": {"test": rows}})


def test_coverage_of_the_median_and_of_nothing():
    assert "with the median: of the test rows" in coverage_sentence({"coverage": {"quantile": 0.5, "share": 0.5}})
    assert coverage_sentence({"coverage": {"quantile": 0.9, "share": None}}) == coverage_sentence({}) == ""
    record = results(score(2.0, 1.9, 2.1, False), metric="mae", coverage={"quantile": 0.9, "share": 0.5})
    assert any("90\u202f% quantile" in sentence for sentence in outcome(record).details)


def test_the_drawings_say_whose_probability_they_show():
    told = dependence_sentence(["rich", "poor"], 3, "classes")
    assert "the mean probability of “\u2068rich\u2069” and “\u2068poor\u2069”; 3 others change less" in told
    assert "the mean answer. " in dependence_sentence(["price"], 0, "number")
    assert "the mean answers" in dependence_sentence(["a", "b"], 0, "number")
