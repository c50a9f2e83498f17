"""Coloured words in a terminal: never wider than it, never a word lost, readable without colours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from leadline.cli.colored_words import colored_lines

WORDS = st.sampled_from(["a", "word", "!", "日本語", "e\u0301", "x" * 50, "tab\tbed", "\x1b[2J"])


@given(
    st.lists(st.tuples(WORDS, st.sampled_from(["", " ", "\n", " \n\n "]), st.floats(-2, 2)), min_size=1, max_size=30),
    st.integers(8, 60),
    st.booleans(),
)
def test_no_line_is_too_wide_and_no_word_is_lost(pieces: list[tuple[str, str, float]], width: int, colors: bool) -> None:
    words, gaps, worth = ([each[at] for each in pieces] for at in range(3))
    lines = colored_lines(words, gaps, worth, width=width, colors=colors)  # type: ignore[arg-type]
    assert all(cell_len(line.plain) <= width + 1 for line in lines)  # a space or half of a wide letter
    text = "".join(line.plain for line in lines if colors or set(line.plain) - set("+- "))
    expected = "".join("\ufffd" if not each.isprintable() and each != "\t" else each for word in words for each in word)
    assert "".join(text.split()) == "".join(expected.split())
    assert "\x1b" not in text


def test_signs_stand_below_what_they_belong_to() -> None:
    lines = [line.plain for line in colored_lines(
        ["It", "was", "great", ",", "not", "long"], [" ", " ", "", " ", " ", ""], [0.0, 0.3, 2.0, -0.5, -2.0, 0.01],
        width=40, colors=False,
    )]  # fmt: skip
    assert lines == ["It was great, not long", "   +   +++++- ---"] or lines == ["It was great, not long", "   +   +++++  ---"]


def test_with_colours_there_are_no_signs_but_styles() -> None:
    (line,) = colored_lines(["good", "bad", "so"], [" ", " ", ""], [2.0, -2.0, 0.0], width=40)
    styles = {line.plain[span.start : span.end]: str(span.style) for span in line.spans}
    assert set(styles) == {"good", "bad"}
    assert "bold underline" in styles["good"]
    assert styles["good"] != styles["bad"]


def test_a_blank_line_in_the_text_is_a_new_line_and_a_word_keeps_its_mark() -> None:
    lines = colored_lines(["one", "two", ".", "three"], ["\n\n", "", " ", ""], [0.0] * 4, width=8, colors=False)
    assert [line.plain for line in lines] == ["one", "two.", "three"]
    lines = colored_lines(["abc", "def", "!"], [" ", "", ""], [0.0] * 3, width=7, colors=False)
    assert [line.plain for line in lines] == ["abc", "def!"]


def test_letters_of_a_name_stand_together() -> None:
    (line, signs) = colored_lines(list("Ivanov"), [""] * 6, [0, 0, 0, 0, 1, 3], width=40, colors=False)
    assert (line.plain, signs.plain) == ("Ivanov", "    ++")
