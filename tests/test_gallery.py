"""The gallery in the docs shows every part there is, and says what its numbers say."""

from __future__ import annotations

import copy
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from leadline import files
from leadline.data import load
from leadline.initialize import INITIALIZERS
from leadline.layers import ACTIVATIONS, POINTWISE
from leadline.optim import OPTIMIZERS, SCHEDULES

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = DOCS / "images" / "gallery"
PAGE = (DOCS / "gallery.md").read_text(encoding="utf-8")
RESULTS: dict[str, Any] = files.read_json(DOCS / "gallery" / "results.json")
REMAKE = "run `python docs/make_gallery.py`"
SHOWN = re.findall(r"!\[([^\]]*)\]\(images/gallery/(\w+)\.png\)", PAGE)


@pytest.fixture(scope="module")
def make_gallery() -> Iterator[Any]:
    """The script as a module, with the package beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(DOCS), *sys.path])
        yield importlib.import_module("make_gallery")


@pytest.fixture
def many(make_gallery: Any) -> Any:
    return sys.modules["gallery.many"]


def test_every_part_has_its_panel() -> None:
    assert list(RESULTS["activations"]) == list(ACTIVATIONS), REMAKE
    assert list(RESULTS["schedules"])[: len(SCHEDULES)] == list(SCHEDULES), REMAKE
    assert list(RESULTS["initializers"]) == list(INITIALIZERS), REMAKE
    for walks in RESULTS["paths"].values():
        assert set(walks) >= set(OPTIMIZERS), REMAKE
    for name in (*ACTIVATIONS, *SCHEDULES, *INITIALIZERS, *OPTIMIZERS):
        assert re.search(rf"\b{name}\b", PAGE), f"{name}: {REMAKE}"


def test_the_page_says_what_was_measured(make_gallery: Any) -> None:
    assert make_gallery.page(RESULTS) == PAGE, REMAKE


def test_every_picture_is_shown_and_described() -> None:
    assert sorted(name for _, name in SHOWN) == sorted(path.stem for path in PICTURES.iterdir())
    assert all(len(alternative) > 60 for alternative, _ in SHOWN)


@pytest.mark.parametrize("name", [name for _, name in SHOWN])
def test_a_picture_is_small_and_stands_on_white(name: str) -> None:
    path = PICTURES / f"{name}.png"
    assert path.stat().st_size < 120_000
    with Image.open(path) as image:
        assert image.width == 1200
        pixels = np.asarray(image.convert("RGBA"))
    # Opaque and mostly white: a transparent one would lose its dark text on a dark page.
    assert (pixels[..., 3] == 255).all()
    assert (pixels[:, :, :3].min(axis=2) > 250).mean() > 0.5
    assert (pixels[:, :, :3].max(axis=2) < 120).any()


@pytest.mark.parametrize("name", ["activations", "schedules"])
def test_the_curves_are_those_of_today(make_gallery: Any, name: str) -> None:
    for part, found in make_gallery.SECTIONS[name].measure().items():
        for key, value in found.items():
            kept = RESULTS[name][part][key]
            assert kept == (value if isinstance(value, (str, bool)) else pytest.approx(value, rel=2e-3, abs=1e-6)), (part, key)


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("tanh", lambda y: 1 - y**2),
        ("sigmoid", lambda y: y * (1 - y)),
        ("softmax", lambda y: y * (1 - y)),
        ("softsign", lambda y: (1 - abs(y)) ** 2),
        ("relu", lambda y: (y > 0) * 1.0),
    ],
)
def test_derivatives_follow_from_values(name: str, slope: Any) -> None:
    found = RESULTS["activations"][name]
    assert found["slope"] == pytest.approx(slope(np.array(found["value"])), abs=1e-3)


def test_a_new_activation_is_drawn_by_itself(make_gallery: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POINTWISE, "hardtanh", nn.Hardtanh)
    monkeypatch.setitem(ACTIVATIONS, "hardtanh", nn.Hardtanh)
    section = make_gallery.SECTIONS["activations"]
    numbers = section.measure()
    assert (numbers["hardtanh"]["value"][-1], numbers["hardtanh"]["slope_at_4"]) == (1.0, 0.0)
    section.draw(numbers, tmp_path)
    with Image.open(tmp_path / "activations.png") as image, Image.open(PICTURES / "activations.png") as old:
        assert image.size == old.size  # the last row had a free place
        assert np.any(np.asarray(image.convert("L")) != np.asarray(old.convert("L")))
    assert "hardtanh 1" in section.tell(numbers)


def test_redrawing_measures_nothing(make_gallery: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_gallery, "PICTURES", tmp_path)
    monkeypatch.setattr(make_gallery, "PAGE", tmp_path / "gallery.md")
    for section in make_gallery.SECTIONS.values():
        monkeypatch.setattr(section, "measure", None)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    make_gallery.main(["--redraw", "schedules", "deep"])
    assert (tmp_path / "gallery.md").read_text(encoding="utf-8") == PAGE
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["deep.png", "schedules.png"]


def test_an_unknown_section_is_named(make_gallery: Any) -> None:
    with pytest.raises(SystemExit, match=r"no section 'dropuot'.*dropout"):
        make_gallery.main(["--redraw", "dropuot"])


def test_every_claim_has_a_verdict_and_five_seeds() -> None:
    claims = [line.split(" | ")[-1] for line in PAGE.splitlines() if line.startswith("|") and "**" in line]
    assert len(claims) >= 20
    assert set(claims) <= {"**holds** |", "**holds partly** |", "**does not hold here** |"}
    for found in RESULTS["deep"].values():
        assert len(found["accuracy"]) == len(found["ratio"]) == 5
    for found in RESULTS["rates"]["digits"].values():
        assert len(found["steps"]) == 5
    assert len(RESULTS["dropout"]["weight scaling"]) == len(RESULTS["noise"]["variance"]["slope"]) == 5


@pytest.mark.parametrize(
    ("section", "change", "claim"),
    [
        ("deep", lambda n: n["batch norm"].update(accuracy=[[0.1]] * 5), "Batch norm cures it"),
        ("deep", lambda n: n["clipping"].update(accuracy=[[0.9]] * 5), "Clipping cures it"),
        ("noise", lambda n: n["variance"].update(slope=[-0.5] * 5), "The variance of the gradient falls as 1/B"),
        ("sparse", lambda n: n["rate"].update(slope_of_noise=[-1.0] * 5), "Its rate falls as 1/√t"),
        ("rates", lambda n: n["digits"]["Adam"].update(steps=[1.0] * 4 + [None]), "Adam needs fewer steps on a network"),
        ("restarts", lambda n: n["xor"].update(any_of=[[0.1] * 5] * 5), "The same for a network's first weights"),
        ("dropout", lambda n: n["sampled"].update({"100": [{"accuracy": 0.5, "log_loss": 2.0}] * 5}), "One pass with scaled"),
    ],
)
def test_verdicts_follow_the_numbers(make_gallery: Any, section: str, change: Any, claim: str) -> None:
    changed = copy.deepcopy(RESULTS[section])
    change(changed)
    before, after = (
        next(line for line in make_gallery.SECTIONS[section].tell(numbers).splitlines() if line.startswith(f"| {claim}"))
        for numbers in (RESULTS[section], changed)
    )
    assert before.split(" | ")[-1] != after.split(" | ")[-1]


def test_minima_of_the_surfaces(make_gallery: Any) -> None:
    surfaces = sys.modules["gallery.surfaces"]
    assert surfaces.lowest("saddle") == pytest.approx(-0.25, abs=1e-6)  # at (0, ±1)
    # On y = x/2 the second is (x² − 1)²/2 + x/4, whose minima are roots of 2x³ − 2x + 1/4.
    least = min(np.roots([2, 0, -2, 0.25]).real)
    assert surfaces.lowest("two wells") == pytest.approx((least**2 - 1) ** 2 / 2 + least / 4, abs=1e-5)


def test_a_grid_is_trained_as_a_plain_loop_would(many: Any) -> None:
    rows = torch.randn(10, 3), torch.randint(0, 2, (10,))
    nets = many.grid(lambda: nn.Linear(3, 2), [0.1, 0.5], seeds=[4, 7], momentum=0.0)
    assert [candidate.learning_rate for candidate in nets.candidates] == [0.1, 0.1, 0.5, 0.5]
    population, seen = many.train(nets, rows, batch=4, steps=3, watch=many.losses(rows), at=[0, 3])
    for number, (rate, seed) in enumerate([(0.1, 4), (0.1, 7), (0.5, 4), (0.5, 7)]):
        torch.manual_seed(seed)
        model = nn.Linear(3, 2)
        start = nn.functional.cross_entropy(model(rows[0]), rows[1]).item()
        for step in range(3):  # two full batches a pass, the two rows left over are not seen
            generator = torch.Generator().manual_seed(seed * 1_000_003 + step // 2)
            chosen = torch.randperm(10, generator=generator)[(step % 2) * 4 :][:4]
            model.zero_grad()
            nn.functional.cross_entropy(model(rows[0][chosen]), rows[1][chosen]).backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= rate * parameter.grad
        end = nn.functional.cross_entropy(model(rows[0]), rows[1]).item()
        assert seen[number].tolist() == pytest.approx([start, end], rel=1e-5)
        assert torch.allclose(population.write(number, nn.Linear(3, 2)).weight, model.weight, atol=1e-6)


def test_rows_of_its_own_for_each_seed(many: Any) -> None:
    inputs, targets = torch.randn(2, 6, 3), torch.randn(2, 6, 1)
    nets = many.grid(lambda: nn.Linear(3, 1), [0.2], seeds=[0, 1], momentum=0.0)
    population, _ = many.train(nets, (inputs, targets), batch=6, steps=1, loss=nn.functional.mse_loss)
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = nn.Linear(3, 1)
        nn.functional.mse_loss(model(inputs[seed]), targets[seed]).backward()
        expected = model.weight - 0.2 * model.weight.grad
        assert torch.allclose(population.write(seed, nn.Linear(3, 1)).weight, expected, atol=1e-6)


def test_small_tools(make_gallery: Any, many: Any) -> None:
    words, drawing = sys.modules["gallery.words"], sys.modules["gallery.drawing"]
    curves = torch.tensor([[3.0, 2.0, 0.5, 0.4], [3.0, 3.0, 3.0, 3.0]])
    assert many.steps_to(curves, [0, 10, 20, 30], 0.5).tolist() == [20.0, np.inf]
    assert many.best_rate(torch.tensor([[1.0, np.nan], [0.9, 0.7], [0.1, np.inf]])) == 1
    assert many.slope([1, 10, 100], [5, 0.5, 0.05]) == -1.0
    assert many.rounded(torch.tensor([1.23456, np.inf])) == [1.235, None]
    assert (words.power(0.31), words.power(2.4e-9), words.power(0)) == ("0.31", "2.4·10⁻⁹", "0")
    assert words.spread([-1.0, -3.0], 1) == "−2.0 ± 1.4"
    assert drawing.apart([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert drawing.apart([0.0, 0.01, 0.9], 0.1) == pytest.approx([0.0, 0.1, 0.9])
    assert [drawing.power_of_ten(value) for value in (0.01, 1.0, 1e-12)] == ["0.01", "1", "10⁻¹²"]


def test_the_digits_are_the_training_rows(many: Any) -> None:
    inputs, targets = many.digits()
    assert inputs.shape == (len(load("digits").train), 64)
    assert targets.shape == inputs.shape[:1]
    assert abs(float(inputs.mean())) < 1e-4
