"""Which words of a text decided, through a Run: on the text as it was written, on the right scale, or one clear paragraph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.data import Classes, Labels, Numbers, Schema
from leadline.data.answers import Answers
from leadline.data.texts.texts import Texts
from leadline.errors import ArgumentError, LeadlineError
from leadline.plan import Plan
from leadline.runs import Run
from leadline.runs.explaining_answers import as_odds
from leadline.runs.explaining_series import explain_series
from leadline.runs.explaining_texts import TextExplainer, as_written, explain_text

WORDS = ("", "<unk>", "good", "bad", "!", "film", "don't")


class Worth(nn.Module):
    """Outputs = the sum of a number for each word, so that what a word is worth is known."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.table = nn.Embedding(len(WORDS), outputs, padding_idx=0)
        with torch.no_grad():
            self.table.weight[1:] = torch.randn(len(WORDS) - 1, outputs, generator=torch.Generator().manual_seed(0))

    def forward(self, ids: Tensor) -> Tensor:
        return self.table(ids).sum(1)  # type: ignore[no-any-return]


def made(answers: Answers, **more: Any) -> Run:
    inputs = Texts(WORDS, **({"longest": 6} | more))
    outputs = len(answers.names)
    return Run(Path("nowhere"), Plan(), Schema(inputs, answers), Worth(outputs), torch.device("cpu"))


def test_of_two_classes_a_word_is_worth_its_difference_of_logits() -> None:
    run = made(Classes(("yes", "no"), temperature=2.0))
    seen = explain_text(run, "Good FILM, don't!", top=2)
    table = run.model.table.weight.detach()  # type: ignore[union-attr, operator]
    ids = [2, 5, 1, 6, 4]
    first = run.schema.answers.names.index(seen.classes[0])
    expected = (table[ids, first] - table[ids, 1 - first]).numpy()
    assert seen.worth == pytest.approx(np.stack([expected, -expected]), abs=1e-5)
    assert (seen.text, seen.strangers, seen.unread) == ("Good FILM, don't!", (",",), 0)
    assert seen.pieces == ("Good", "FILM", ",", "don't", "!")
    assert sum(seen.values) == pytest.approx(1)
    told = seen.to_json()
    assert told["words"] == list(seen.pieces)
    assert told["worth"][seen.classes[1]] == pytest.approx((-expected).tolist(), abs=1e-4)


def test_numbers_are_in_their_own_units_and_labels_each_for_itself() -> None:
    run = made(Numbers(("stars",), mean=(3.0,), std=(2.0,)))
    seen = explain_text(run, "bad film")
    assert seen.worth[0] == pytest.approx(2 * run.model.table.weight[[3, 5], 0].detach().numpy(), abs=1e-5)  # type: ignore[union-attr, operator, index]
    run = made(Labels(("a", "b", "c")))
    seen = explain_text(run, "bad film", classes=["b"])
    assert seen.classes == ("b",)
    assert seen.worth[0] == pytest.approx(run.model.table.weight[[3, 5], 1].detach().numpy(), abs=1e-5)  # type: ignore[union-attr, operator, index]


def test_what_is_not_read_is_counted_and_a_file_is_a_text(tmp_path: Path) -> None:
    run = made(Classes(("yes", "no")))
    (path := tmp_path / "a.txt").write_text("good bad good bad good bad  film film film")
    seen = explain_text(run, path)
    assert (len(seen.pieces), seen.unread, seen.id) == (6, 3, str(path))
    assert explain_text(run, b"good \xff").strangers == ("\ufffd",)


@pytest.mark.parametrize("raw", ["", "  \n", b"", 7, None])
def test_what_has_no_word_is_told(raw: Any) -> None:
    with pytest.raises(ArgumentError, match=r"nothing to explain in text: it has not one word|There is no text"):
        explain_text(made(Classes(("yes", "no"))), raw)


def test_wrong_words_runs_and_files(tmp_path: Path) -> None:
    run = made(Classes(("yes", "no")))
    with pytest.raises(ArgumentError, match="no class 'yess'.*Did you mean 'yes'"):
        TextExplainer(run, classes=["yess"])
    with pytest.raises(ArgumentError, match="at least 1 class"):
        TextExplainer(run, top=0)
    with pytest.raises(ArgumentError, match="was not trained on series"):
        explain_series(run, np.zeros(3))
    (tmp_path / "a.txt").write_bytes(bytes(range(256)) * 20)
    for path in (tmp_path / "a.txt", tmp_path / "gone.txt", tmp_path):
        with pytest.raises(LeadlineError):
            explain_text(run, path)


def test_letters_of_a_text_are_pieces_too() -> None:
    run = Run(
        Path("nowhere"),
        Plan(),
        Schema(Texts(("", "<unk>", "a", "b", "c", "d", "e"), longest=9, unit="characters", lower=False), Classes(("x", "y"))),
        Worth(2),
        torch.device("cpu"),
    )
    seen = explain_text(run, "Ab c")
    assert (seen.pieces, seen.strangers, seen.text) == (("A", "b", " ", "c"), ("A", " "), "Ab c")


def test_a_stored_text_is_shown_in_words_of_the_vocabulary_within_its_time() -> None:
    explainer = TextExplainer(made(Classes(("yes", "no"))))
    seen = explainer.of_stored(np.array([2, 1, 4]), "row", outputs=[1])
    assert (seen.text, seen.pieces, seen.known) == ("good \ufffd!", ("good", "\ufffd", "!"), (True, False, True))
    late = explainer.of_stored(np.array([2, 3, 5, 6]), "row", seconds=0)
    assert len(set(late.worth[0].tolist())) == 1, "without time all words are left out at once"


@given(st.lists(st.sampled_from(["İstanbul", "don't", "ΟΔΟΣ", "naïve", "3.5", "!", "日", "ẞ"]), min_size=1, max_size=8))
def test_pieces_and_gaps_are_the_text(words: list[str]) -> None:
    text = "  ".join(words)
    inputs = Texts(WORDS, longest=99)
    pieces, gaps, rest = as_written(text, inputs.tokens(text), lower=True)
    whole = "".join(piece + gap for piece, gap in zip(pieces, gaps, strict=True)) + rest
    assert whole.split() in (text.split(), text.lower().split())
    assert len(pieces) == len(gaps) == len(inputs.tokens(text))


def test_odds_in_words() -> None:
    assert [as_odds(value, numbers=False) for value in (0.0, 0.5, -3.0, 5.0, -50.0)] == [
        "÷1.00",
        "×1.65",
        "÷20",
        "×148",
        "÷1,000+",
    ]
