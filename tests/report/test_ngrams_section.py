"""The section about an n-gram model: a row for each length, and nothing where there is none."""

from __future__ import annotations

from typing import Any

from leadline.report.ngrams_section import ngrams_view
from leadline.report.page import render


def row(length: int, **more: Any) -> dict[str, Any]:
    return {
        "length": length,
        "ngrams": 1200,
        "counted": 1200,
        "discounts": [0.5, 1.0, 1.25],
        "share": 0.5,
        "perplexity": 40.0,
    } | more


def results(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"task": "ngram", "noun": "words", "ngrams": {"smoothing": "Katz's back-off", "lengths": list(rows), **more}}


def test_each_length_has_its_row() -> None:
    view = ngrams_view(results(row(1), row(2, ngrams=900, perplexity=None, share=0.0)))
    assert view is not None
    assert [each["length"] for each in view["rows"]] == [1, 2]
    assert view["rows"][0] == {
        "length": 1,
        "ngrams": "1,200",
        "left_out": "",
        "discounts": "0.50, 1.00, 1.25",
        "share": view["rows"][0]["share"],
        "perplexity": "40",
    }
    assert view["rows"][0]["share"].startswith("50")
    assert (view["rows"][1]["left_out"], view["rows"][1]["perplexity"]) == ("300", "–")


def test_the_k_of_add_k_is_told_and_no_discounts() -> None:
    view = ngrams_view(results(row(1, discounts=[]), k=0.03))
    assert view is not None
    assert "k = 0.03" in view["sentence"]
    assert not view["taken"]


def test_the_perplexity_is_told_without_the_unknown_words_and_the_ends() -> None:
    counts = {"all_tokens": 141.2, "known_tokens": 128.0, "words": None, "tokens": 1500, "unknown": 90, "ends": 0}
    view = ngrams_view({**results(row(1)), "perplexities": counts})
    assert view is not None
    expected = "Over all 1,500 test words the perplexity is 141.2; it is 128 without the 90 that are unknown."
    assert view["counted"] == expected
    both = ngrams_view({**results(row(1)), "perplexities": counts | {"words": 166.0, "ends": 40}})
    assert both is not None
    assert both["counted"].endswith("; and 166 if the 40 ends of lines are foretold but not counted, SRILM's ppl1.")
    neither = ngrams_view({**results(row(1)), "perplexities": counts | {"unknown": 0}})
    assert neither is not None
    assert neither["counted"] == ""
    page = render({"results": {**results(row(1)), "perplexities": counts | {"words": 166.0, "ends": 40}}})
    assert both["counted"] in page.replace("&#39;", "'")


def test_the_page_has_the_section_only_for_such_a_model() -> None:
    page = render({"results": results(row(1))})
    assert 'id="ngrams"' in page
    assert "1,200" in page
    assert 'id="ngrams"' not in render({"results": {"task": "tokens"}})


def test_a_record_with_holes_is_shown_as_far_as_it_goes() -> None:
    view = ngrams_view({"ngrams": {"lengths": [{"length": 1}]}})
    assert view is not None
    assert view["rows"][0]["ngrams"] == ""
