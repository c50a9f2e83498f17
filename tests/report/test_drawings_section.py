"""The section of drawings: the sheet, the film and the neighbours, what is said of distances, copies and collapse."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from leadline.report.drawings_section import distance_sentence, drawings_outcome, drawings_view
from leadline.report.page import render, summary_card


def uri(shade: int, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), shade, np.uint8)).save(buffer, kind)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()


def score(value: float) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "title": "Fréchet distance", "higher_is_better": False}


RESULTS: dict[str, Any] = {
    "name": "faces",
    "task": "generate",
    "noun": "pictures",
    "headline": "frechet",
    "rows": {"train": 900, "valid": 200, "test": 20_000},
    "judged": 300,
    "scores": {"frechet": score(3.21)},
    "baselines": [{"name": "normal distribution of the pixels", "detail": "", "scores": {"frechet": score(40.0)}}],
    "floor": {"frechet": score(0.5)},
    "features": "a network that tells the 4 classes of these pictures (98.0 % right on others)",
    "distances": "Distances are on features of a network: they compare networks on these pictures and are no FID.",
    "collapse": "",
    "copying": {"told": "It makes up what it draws: a drawing is 1.04 times as far."},
}
DRAWN = {"sheet": uri(1), "nearest": uri(2), "film": uri(3, "GIF"), "columns": ["<a>", "b"]}


def test_the_page_shows_drawings_film_and_neighbours() -> None:
    page = render({"results": RESULTS, "examples": {"drawn": DRAWN}}).replace("\u202f", " ")
    assert all(picture in page for picture in (uri(1), uri(2), uri(3, "GIF")))
    assert "&lt;a&gt;" in page
    assert "<bdi><a>" not in page
    assert 'href="#drawings"' in page
    assert (
        "Its drawings are at a Fréchet distance of 3.21 from 300 pictures it had never seen, nearer than a normal distribution "
        "of the pixels (40)." in page
    )
    assert "no FID. As many training pictures come to 0.5" in page
    assert "a drawing is 1.04 times as far" in page
    assert "pictures to learn from" in page
    assert "20,000" in page, "the test pictures, of which 300 were taken to judge by"
    assert "3.21" in summary_card({"results": RESULTS})


def test_a_collapse_and_copies_come_first() -> None:
    collapse = "The generator has collapsed: two of its drawings differ 0.10 times as much as two real pictures do."
    told = drawings_outcome(RESULTS | {"collapse": collapse})
    assert told.headline == "The generator has collapsed."
    assert told.details[0] == collapse
    page = render({"results": RESULTS | {"collapse": collapse}, "examples": {"drawn": DRAWN}})
    assert page.count(collapse) >= 2
    copied = drawings_outcome(RESULTS | {"copying": {"told": "It copies."}})
    assert copied.details[-1] == "It copies."


def test_a_network_that_is_no_better_than_its_baseline_does_not_boast() -> None:
    told = drawings_outcome(RESULTS | {"scores": {"frechet": score(50.0)}})
    assert "and no nearer than a normal distribution" in told.headline


def test_what_is_missing_is_left_out() -> None:
    assert drawings_view(RESULTS, {}) is None
    assert drawings_view(RESULTS, {"drawn": {"sheet": "javascript:alert(1)"}}) is None
    assert drawings_view(RESULTS, {"drawn": {"sheet": uri(1)}})["film"] == ""  # type: ignore[index]
    assert distance_sentence({}) == ""
    assert "" not in drawings_outcome(RESULTS | {"copying": None}).details
    assert drawings_outcome({"task": "generate"}).headline == "There is no test result yet."
    assert 'id="drawings"' not in render({"results": {"task": "generate", "name": "x"}})


def test_curves_of_the_game_are_drawn() -> None:
    record = {
        "epoch": 1, "step": 9, "loss": 1.0, "generator_loss": 0.4, "real_right": 0.8, "fake_right": 0.7, "rate": 2e-4,
        "valid_frechet": 9.0, "valid_pairwise": 0.8, "valid_nearest": 0.7,
    }  # fmt: skip
    page = render({"results": RESULTS, "history": [record, record | {"epoch": 2, "valid_frechet": 4.0, "best": True}]})
    for title in ("Fréchet distance", "Told apart rightly", "Variety, 1 is that of pictures", "Loss of the generator"):
        assert title in page
