"""What the report shows of a network's sight: sound pictures only, within bounds, and nothing without a record."""

from __future__ import annotations

import base64
from typing import Any

from leadline.report import render
from leadline.report.seeing_section import PICTURE_BYTES, seeing_view

PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG" + b"0" * 40).decode()


def row(**more: Any) -> dict[str, Any]:
    return {
        "id": "a.png",
        "truth": "<rose>",
        "answer": "tulip",
        "probability": 0.98,
        "picture": PIXEL,
        "overlay": PIXEL,
        **more,
    }


def record(**more: Any) -> dict[str, Any]:
    return {"seeing": {"method": "Grad-CAM", "layer": "14", "wrong": [row(truth_overlay=PIXEL)], "certain": [row()], **more}}


def test_nothing_is_shown_without_a_record() -> None:
    assert seeing_view({}) is None
    assert seeing_view({"seeing": {}}) is None
    assert seeing_view({"seeing": {"wrong": [], "certain": [], "weights": None}}) is None
    assert 'id="seeing"' not in render({"examples": {}})


def test_the_page_has_both_groups_the_layer_and_the_weights() -> None:
    weights = {"kind": "filters", "count": 16, "pictures": [{"name": "", "picture": PIXEL}]}
    page = render({"examples": record(weights=weights), "plan_rows": [{"key": "model.name", "value": "convnet"}]})
    for text in (
        "Grad-CAM of layer 14",
        "when it was wrong",
        "when it was right",
        "16 filters",
        "&lt;rose&gt;",
        'href="#seeing"',
    ):
        assert text in page, text
    assert page.count(f'src="{PIXEL}"') == 3 + 2 + 1
    assert "<rose>" not in page


def test_templates_have_their_names() -> None:
    weights = {"kind": "templates", "count": 2, "pictures": [{"name": name, "picture": PIXEL} for name in ("no", "yes")]}
    view = seeing_view({"seeing": {"weights": weights}})
    assert view is not None
    assert view["sentence"] == ""
    assert [each["name"] for each in view["weights"]["pictures"]] == ["no", "yes"]
    page = render({"examples": {"seeing": {"weights": weights}}})
    assert 'alt="the template of yes"' in page


def test_what_is_no_picture_or_does_not_fit_is_left_out() -> None:
    evil = 'https://example.org/a.png" onload="'
    view = seeing_view(record(wrong=[row(picture=evil), row(overlay=None), row()], certain=[row(truth_overlay=evil)]))
    assert view is not None
    assert [len(group["rows"]) for group in view["groups"]] == [1, 1]
    assert view["groups"][1]["rows"][0]["truth_overlay"] is None
    large = "data:image/png;base64," + "A" * (PICTURE_BYTES // 3)
    fitting = seeing_view(record(wrong=[row(picture=large, overlay=large), row(picture=large, overlay=large)], certain=[]))
    assert fitting is not None
    assert sum(len(group["rows"]) for group in fitting["groups"]) == 1


def test_saliency_is_told_in_other_words() -> None:
    view = seeing_view(record(method="saliency", layer=""))
    assert view is not None
    assert "pixels whose change" in view["sentence"]
