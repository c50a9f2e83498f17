"""The section about the diagnosis: the verdict, each finding with its numbers and pictures, and the story of mending."""

from __future__ import annotations

import math
from typing import Any

import pytest
from diagnosis_records import a_diagnosis, a_finding, a_measure, the_readings, the_rows
from page_records import STRANGE, Page, a_record

from leadline import report
from leadline.diagnose.findings import Finding, Measure, Remedy, Verdict
from leadline.diagnose.kinds import KINDS
from leadline.report.diagnosis_panels import Drawings, moment_of
from leadline.report.diagnosis_section import diagnosis_view


@pytest.fixture(scope="module", autouse=True)
def only_some_are_drawn(undrawn: object) -> None:
    """Whoever looks into a figure asks for `drawn`."""


class Spaced(Page):
    """A page whose cells and marks stand apart in its text, as they do on the screen."""

    def handle_data(self, data: str) -> None:
        super().handle_data(f" {data} ")


def page_of(diagnosis: dict[str, Any], rows: dict[str, Any] | None = None) -> Page:
    record = a_record()
    examples = {**record["examples"], **({"diagnosed": rows} if rows else {})}
    return Spaced(report.render({**record, "examples": examples, "diagnosis": diagnosis}))


def words(page: Page) -> str:
    return " ".join(page.text.split())


def panels(page: Page) -> list[str]:
    return [str(svg.get("aria-label", "")) for svg in page.all("svg")]


def test_a_finding_has_cause_numbers_remedy_and_command_near_the_top() -> None:
    text = words(page_of(a_diagnosis(a_finding())))
    assert "One thing is wrong: learning rate too high. Right for 80 % of held-out rows" in text
    assert "1. Learning rate too high severe 93 % sure confirmed The steps are so long" in text
    assert "update ratio healthy up to 0.01 0.31" in text
    assert "What to do. Take a tenth of the learning rate." in text
    assert "leadline train digits --plan runs/digits-1/plan.json --set training.learning_rate=0.0001" in text
    assert text.index("The steps are so long") < text.index("What it was shown"), "before the data"


def test_a_healthy_run_says_so_and_what_was_checked() -> None:
    text = words(page_of(a_diagnosis()))
    assert "Nothing is wrong with this training." in text
    assert "Checked: inputs, labels, rates, gradients." in text
    assert "Not checked: receptive field: the inputs are no pictures." in text
    assert "Seen, without harm Dead units (fc1): Some units are never active." in text


def test_where_nothing_was_checked_it_is_not_called_right() -> None:
    view = diagnosis_view({"diagnosis": a_diagnosis(checked=[])})
    assert view is not None
    assert view["sentence"] == "Nothing was found wrong with this training."


def test_trainings_without_a_diagnosis_have_no_such_section() -> None:
    assert diagnosis_view({}) is None
    assert "The diagnosis" not in report.render(a_record())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_makes_a_sound_page(kind: str) -> None:
    page = page_of(a_diagnosis(a_finding(kind, KINDS[kind].title)), the_rows())
    assert KINDS[kind].title in page.text


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("rate_too_high", "loss rises again at step"),
        ("non_finite", "no number from here on at step 900"),
        ("overfitting", "held-out loss lowest at step 500"),
        ("stopped_too_early", "still falling at step"),
        ("vanishing_gradient", "Gradient of each layer, of 5 layers at 37 moments"),
        ("rate_too_low", "How far a step moves each layer"),
        ("dead_units", "Units that are silent, of 4 layers"),
        ("saturation", "Activations at their limits, of 2 layers"),
        ("saturation", "What flows into the activations, of 4 layers"),
        ("bad_initialization", "Spread of the first weights over that expected"),
        ("imbalance", "Share of each class, and how much of it is found"),
        ("underfitting", "Errors beside simple methods"),
        ("input_ignored", "Loss with the right inputs and with others"),
        ("one_batch", "Loss of one batch before and after"),
        ("receptive_field", "One unit sees 22.0\u202f%"),
    ],
)
def test_a_kind_has_its_picture(kind: str, told: str, drawn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Drawings, "rest", lambda _: [])
    view = diagnosis_view({"diagnosis": a_diagnosis(a_finding(kind, KINDS[kind].title))})
    assert view is not None
    assert any(told in panel.svg for panel in view["findings"][0]["panels"])


def test_a_drawing_is_shown_once(drawn: None) -> None:
    page = page_of(a_diagnosis(*(a_finding(kind, KINDS[kind].title) for kind in ("vanishing_gradient", "exploding_gradient"))))
    gradients = [label for label in panels(page) if label.startswith("Gradient of each layer")]
    assert len(gradients) == 1
    assert len(panels(page)) == len(set(panels(page)))


def test_the_loss_comes_again_for_another_moment(drawn: None) -> None:
    drawings = Drawings(the_readings())
    first, second = drawings.panels_of("rate_too_high"), drawings.panels_of("overfitting")
    assert "loss rises again" in first[0].svg
    assert "held-out loss lowest" in second[0].svg
    assert drawings.panels_of("adversarial_collapse") == []


def test_the_moment_is_where_the_loss_doubles_over_its_lowest() -> None:
    curve = [[step, loss] for step, loss in enumerate([2.0, 1.0, 0.5, 0.9, 0.6, 1.01, 3.0])]
    assert moment_of(Drawings({"steps": {"losses": curve}}), "rate_too_high") == (5, "loss rises again")
    assert moment_of(Drawings({"steps": {"losses": curve[:4]}}), "rate_too_high") is None


def test_biases_and_what_normalizes_are_not_drawn() -> None:
    steps = {"names": ["a.weight", "a.bias", "norm.weight", "rnn.weight_ih_l0", "1.weight"]}
    layers = [{"name": "a", "kind": "Linear"}, {"name": "rnn.weight_ih_l0", "kind": "LSTM"}, {"name": "1", "kind": "Conv2d"}]
    drawn = Drawings({"steps": steps, "program": {"layers": layers}}).tensors()
    assert drawn == [(0, "a"), (3, "rnn.weight_ih_l0"), (4, "1 Conv2d")]
    assert [at for at, _ in Drawings({"steps": steps}).tensors()] == [0, 2, 3, 4], "where nothing is known of the layers"


@pytest.mark.parametrize(
    ("low", "high", "value", "healthy", "outside"),
    [
        (None, 0.01, 0.31, "healthy up to 0.01", True),
        (None, 0.01, 0.001, "healthy up to 0.01", False),
        (0.5, None, 0.2, "healthy from 0.5 on", True),
        (1e-4, 1e-2, 1e-3, "healthy from 0.0001 to 0.01", False),
        (0.0, 2.0, -3.0, "healthy from 0 to 2", True),
    ],
)
def test_a_number_lies_in_or_beside_its_healthy_range(low: Any, high: Any, value: float, healthy: str, outside: bool) -> None:
    view = diagnosis_view({"diagnosis": a_diagnosis(a_finding(evidence=[a_measure("x", value, low, high)]))})
    assert view is not None
    (measure,) = view["findings"][0]["measures"]
    assert (measure["healthy"], measure["outside"]) == (healthy, outside)
    assert 0 <= measure["from"] < measure["to"] <= 100
    assert 0 < measure["at"] < 100
    assert (measure["from"] <= measure["at"] <= measure["to"]) == (not outside)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "float:nan"])
def test_a_number_that_is_none_is_told_so(value: Any) -> None:
    assert "no number" in words(page_of(a_diagnosis(a_finding(evidence=[a_measure(value=value)]))))


def test_no_numbers_in_the_readings_are_black_cells_and_no_error(drawn: None) -> None:
    diagnosis = a_diagnosis(a_finding("vanishing_gradient", "Vanishing gradient"))
    steps = diagnosis["readings"]["steps"]
    steps["samples"][-1]["gradient"] = ["float:nan"] * 10
    steps["samples"][-2]["update"] = [None] * 10
    steps["losses"][-1][1] = "float:inf"
    view = diagnosis_view({"diagnosis": diagnosis})
    assert view is not None
    gradient = view["findings"][0]["panels"][0].svg
    calm = diagnosis_view({"diagnosis": a_diagnosis(a_finding("vanishing_gradient", "Vanishing gradient"))})
    assert calm is not None
    assert gradient.count("fill: currentColor") == calm["findings"][0]["panels"][0].svg.count("fill: currentColor") + 1


def test_labels_and_doubles_are_shown_as_pictures() -> None:
    findings = [a_finding("label_noise", "Wrong labels"), a_finding("split_mismatch", "Leakage")]
    page = page_of(a_diagnosis(*findings), the_rows())
    text = words(page)
    assert "labelled ant likelier bee 97 % sure · c.png" in text
    assert "held out: ant · a.png training: bee · b.png" in text
    assert sum("likelier bee" in str(image.get("alt")) for image in page.all("img")) == 3


def test_rows_without_pictures_are_a_table() -> None:
    rows = the_rows()
    for each in (*rows["labels"], *rows["copies"][0].values()):
        each.pop("picture", None)
    findings = [a_finding("label_noise", "Wrong labels"), a_finding("split_mismatch", "Leakage")]
    text = words(page_of(a_diagnosis(*findings), rows))
    assert "row labelled likelier how sure c.png ant bee 97 %" in text
    assert "held out is training is a.png ant b.png bee" in text


def test_without_the_data_the_rows_have_numbers() -> None:
    assert "row 7 ant bee 97 %" in words(page_of(a_diagnosis(a_finding("label_noise", "Wrong labels"))))


def test_the_story_says_what_helped_and_what_did_not() -> None:
    story = [
        {"kind": "seen", "text": "The loss rose.", "helped": None},
        {"kind": "tried", "text": "A tenth of the rate.", "helped": True},
        {"kind": "tried", "text": "No dropout.", "helped": False},
    ]
    text = words(page_of({**a_diagnosis(), "story": story}))
    assert "How it was mended seen The loss rose. tried A tenth of the rate. Helped. tried No dropout. Did not help." in text


def test_what_was_tried_is_drawn_the_best_first(drawn: None) -> None:
    view = diagnosis_view({"diagnosis": a_diagnosis()})
    assert view is not None
    (tries,) = view["tries"]
    assert tries.svg.index(">rate 0.1<") < tries.svg.index(">no dropout<")


def test_boxes_show_what_follows_on_what() -> None:
    findings = [a_finding("head_or_loss_wrong", "Head"), a_finding("no_nonlinearity", "Linear")]
    view = diagnosis_view({"diagnosis": a_diagnosis(*findings)})
    assert view is not None
    head, linear = (finding["chain"] for finding in view["findings"])
    assert [(box["text"], box["marked"]) for box in head] == [
        ("last layer", False),
        ("softmax", True),
        ("log softmax", False),
        ("negative log likelihood", False),
    ]
    assert [box["text"] for box in linear] == ["fc1", "fc2", "head"]


def test_a_verdict_as_the_library_makes_it_is_understood() -> None:
    made = Verdict(
        (Finding("overfitting", "moderate", 0.7, (Measure("gap", 0.4, high=0.1),), "It learns by heart.", Remedy("Dropout.")),),
        outcome="So so.",
        checked=("rates",),
    )
    text = words(page_of({"verdict": made.to_json(), "readings": {}}))
    assert "One thing is wrong: overfitting. So so." in text
    assert "Dropout." in text


def test_a_large_network_stays_a_small_page(drawn: None) -> None:
    diagnosis = a_diagnosis(a_finding("vanishing_gradient", "Vanishing gradient"))
    steps = diagnosis["readings"]["steps"]
    diagnosis["readings"]["program"]["layers"] = []
    steps["names"], steps["sizes"] = [f"stage{at}.conv.weight" for at in range(400)], [1000] * 400
    for sample in steps["samples"]:
        for key in ("gradient", "weight", "update"):
            sample[key] = [0.1 + (at % 7) for at in range(400)]
    steps["samples"] *= 20
    page = report.render({**a_record(), "diagnosis": diagnosis})
    assert len(page) < 1_000_000
    assert "stage0.conv" in page
    assert "stage399.conv" in page


@pytest.mark.parametrize("text", STRANGE)
def test_strange_names_are_shown_as_they_are(text: str, drawn: None) -> None:
    finding = a_finding("label_noise", text, where=text, cause=text, tried=text, command=text, evidence=[a_measure(text)])
    rows = {"labels": [{"id": text, "label": text, "likelier": text, "confidence": 0.5}]}
    diagnosis = a_diagnosis(finding, outcome=text, checked=[text], unchecked=[text])
    diagnosis["readings"]["steps"]["names"] = [text + ".weight"] * 10
    page = page_of(diagnosis, rows)
    assert page.all("script") == []
    assert "".join(text.split()) in "".join(page.text.split())
