"""The section of enlarged pictures: four columns a photo, sound pictures only, within the room there is."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leadline.report import pairs_section
from leadline.report.page import render
from leadline.report.pairs_section import pairs_view


def uri(shade: int) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), shade, np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def photo(name: str, psnr: float, bicubic: float) -> dict[str, Any]:
    pictures = {column: uri(at) for at, column in enumerate(pairs_section.COLUMNS)}
    return {"id": name, "psnr": psnr, "bicubic_psnr": bicubic, **pictures}


def results(*photos: dict[str, Any]) -> dict[str, Any]:
    score = {"value": 30.123, "low": 29.5, "high": 31.0, "title": "PSNR", "higher_is_better": True}
    baseline = {
        "name": "bicubic",
        "scores": {"psnr": {"value": 28.0, "low": 27.0, "high": 29.0}},
        "network_ahead": {"value": 2.12, "low": 2.0, "high": 2.3},
    }
    return {
        "name": "cats",
        "task": "pairs",
        "headline": "psnr",
        "upscale": 3,
        "rows": {"test": 300},
        "scores": {"psnr": score},
        "baselines": [baseline],
        "photos": list(photos),
    }


def test_the_page_shows_four_pictures_a_photo_with_their_decibels() -> None:
    photos = [photo("<tom>.jpg", 31.234, 29.876), photo("kit.jpg", 30.0, 30.5)]
    page = render({"results": results(*photos), "examples": {"enlarged": photos}}).replace("\u202f", " ")
    assert all(page.count(uri(at)) == 2 for at in range(4))
    assert "31.23 dB" in page
    assert "29.88 dB" in page
    assert "&lt;tom&gt;.jpg" in page
    assert "<tom>" not in page
    assert "Enlarged 3 times" in page
    assert 'href="#pairs"' in page
    assert "on 1 of 2 test photos, by −0.50 to +1.36 dB" in page
    assert "Its PSNR is 30.12 dB on pictures it had never seen, clearly better than bicubic (28.00 dB)" in page


def test_all_photos_are_said_to_be_all() -> None:
    view = pairs_view(results(photo("a", 31, 30), photo("b", 32, 30)), {"enlarged": [photo("a", 31, 30)]})
    assert view is not None
    assert "on all 2 test photos, by +1.00 to +2.00 dB" in view["sentence"]


def test_what_is_no_picture_or_does_not_fit_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    sound, evil = photo("a", 31, 30), {**photo("b", 31, 30), "ours": 'x" onerror="alert(1)'}
    view = pairs_view({}, {"enlarged": [evil, sound, {"id": "c"}]})
    assert view is not None
    assert [row["id"] for row in view["rows"]] == ["a"]
    monkeypatch.setattr(pairs_section, "PICTURE_BYTES", 10)
    assert pairs_view({}, {"enlarged": [sound]}) is None


def test_other_reports_have_no_such_section() -> None:
    assert 'id="pairs"' not in render({"results": {"name": "digits"}})
