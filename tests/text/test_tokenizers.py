"""Tokenizers: what a token is, in many scripts, and that joining and splitting agree."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.text import tokenizers
from leadline.text.tokenizers import (
    TOKENIZERS,
    CharacterTokenizer,
    SpacedTokenizer,
    WordTokenizer,
    is_unspaced,
    tokenizer_from_json,
    tokenizer_to_json,
)

# Letters, digits and marks of many scripts, and what has a meaning for the tokenizer, near each other.
PIECES = st.sampled_from(
    [
        *"ab1,.'\"-/<>()$%@#!\n\t _",
        *("\u2019", "\u0301", "\u00e9", "\u65e5", "\u0e01", "\u0e31", "\u0939\u093f", "\U0001f600", "\u200d", "\ufe0f"),
        *("<br />", "&amp;", "&", ";", "</s>", "<unk>", "1,000", "don't", "\u00ab", "\u00bb", "3.5", "  "),
    ]
)
TEXTS = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=25).map("".join))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's 3.5 km, isn't it?", ["It's", "3.5", "km", ",", "isn't", "it", "?"]),
        ("1,000,000 or 1.2.3 or v2.0a", ["1,000,000", "or", "1.2.3", "or", "v2", ".", "0a"]),
        ("great<br /><br />film", ["great", "<br />", "<br />", "film"]),
        ("&lt;#&gt; R&D; a & b;", ["&lt;", "#", "&gt;", "R", "&D;", "a", "&", "b", ";"]),
        ("a < b and c > d", ["a", "<", "b", "and", "c", ">", "d"]),
        ("Größe ÉTÉ naïve", ["Größe", "ÉTÉ", "naïve"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),  # accents apart from their letters
        ("\u0939\u093f\u0928\u094d\u0926\u0940 ab", ["\u0939\u093f\u0928\u094d\u0926\u0940", "ab"]),  # vowel signs
        ("Привет, мир!", ["Привет", ",", "мир", "!"]),
        ("日本語text", ["日", "本", "語", "text"]),
        ("well-known snake_case", ["well", "-", "known", "snake_case"]),
        (":) \U0001f600\U0001f44d\ufe0f", [":", ")", "\U0001f600", "\U0001f44d\ufe0f"]),
        ("", []),
        (" \n\t ", []),
    ],
)  # fmt: skip
def test_words(text: str, tokens: list[str]) -> None:
    assert WordTokenizer().split(text) == tokens


def test_thai_is_divided_into_letters_with_their_marks() -> None:
    assert WordTokenizer().split("\u0e01\u0e31\u0e19 ab") == ["\u0e01\u0e31", "\u0e19", "ab"]


def test_lower_case_and_lines() -> None:
    assert WordTokenizer(lower=True, lines=True).split("To BE\n\nOr") == ["to", "be", "\n", "\n", "or"]
    assert SpacedTokenizer(lower=True, lines=True).split(" A ,\tb \n\nC") == ["a", ",", "b", "\n", "\n", "c"]
    assert SpacedTokenizer().split("the <unk> 's\nend") == ["the", "<unk>", "'s", "end"]
    assert CharacterTokenizer(lower=True).split("Ab\n") == ["a", "b", "\n"]


@given(TEXTS, st.booleans(), st.booleans())
@example("< / b >", False, False)
@example("dogs ' x", False, False)
@example("a \u0301b", False, False)
@example("\u0e01 \u0e31", False, False)
@example("( \u0301", False, False)
def test_joined_words_split_into_the_same_words(text: str, lower: bool, lines: bool) -> None:
    words = WordTokenizer(lower=lower, lines=lines)
    tokens = words.split(text)
    assert words.split(words.join(tokens)) == tokens


@given(TEXTS, st.booleans())
def test_joined_spaced_words_split_into_the_same_words(text: str, lines: bool) -> None:
    spaced = SpacedTokenizer(lines=lines)
    tokens = spaced.split(text)
    assert spaced.split(spaced.join(tokens)) == tokens


@given(st.text())
def test_characters_are_exact(text: str) -> None:
    characters = CharacterTokenizer()
    assert characters.join(characters.split(text)) == text


@given(TEXTS)
def test_nothing_but_white_space_is_lost(text: str) -> None:
    for tokenizer in (WordTokenizer(), SpacedTokenizer()):
        assert re.sub(r"\s", "", "".join(tokenizer.split(text))) == re.sub(r"\s", "", text)


def test_every_mark_is_where_the_quick_look_is() -> None:
    marks = re.compile(f"[{tokenizers._marks()}{tokenizers._UNSPACED}]")
    assert [hex(code) for code in range(0x110000) if marks.match(chr(code)) and not tokenizers._SPECIAL.match(chr(code))] == []
    assert [
        hex(code) for code in range(0x110000) if unicodedata.category(chr(code))[0] == "M" and not marks.match(chr(code))
    ] == []


@given(st.text(st.characters(max_codepoint=0x2FF), max_size=60))
def test_the_simple_pattern_finds_what_the_full_one_finds(text: str) -> None:
    simple, full = (tokenizers._pattern(simple=simple, lines=True) for simple in (True, False))
    assert simple.findall(text) == full.findall(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world! How are you?",
        'He said "no (never)" to the well-known man; $5 is 3.5% of it.',
        "First line\nsecond, line.",
        "don't stop: it's “quoted” text…",
        "日本語のテキスト",
        "and/or [see #7]",
    ],
)
def test_running_text_comes_back_as_it_was(text: str) -> None:
    words = WordTokenizer(lines=True)
    assert words.join(words.split(text)) == text


@pytest.mark.parametrize(("tokenizer", "most"), [(WordTokenizer(), 64), (SpacedTokenizer(), 1000)])
def test_a_run_without_spaces_is_no_single_token(tokenizer: WordTokenizer | SpacedTokenizer, most: int) -> None:
    tokens = tokenizer.split("x" * 5000 + " " + "7" * 5000)
    assert max(map(len, tokens)) == most
    assert "".join(tokens) == "x" * 5000 + "7" * 5000


def test_spaces_alone_divide_words_that_are_long() -> None:
    unspaced = "https://example.org/" + "a/b-c?d=" * 40
    assert SpacedTokenizer().split(f"see {unspaced} there") == ["see", unspaced, "there"]


def test_a_long_run_takes_no_longer_than_its_length() -> None:
    # A pattern that tries again from every place would take hours for these.
    started = time.perf_counter()
    for run in ("1," * 50_000 + "a", "a'" * 50_000, "\u0301" * 50_000, "<" * 50_000, "<a" * 25_000, "\u0939\u093f" * 25_000):
        WordTokenizer().split(run)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("tokenizer", [WordTokenizer(True, True), SpacedTokenizer(lines=True), CharacterTokenizer(lower=True)])
def test_json(tokenizer: tokenizers.Tokenizer) -> None:
    fields = tokenizer_to_json(tokenizer)
    assert tokenizer_from_json(fields) == tokenizer
    assert fields["kind"] in TOKENIZERS


def test_a_tokenizer_that_there_is_not() -> None:
    with pytest.raises(ArgumentError, match=r"no tokenizer 'word'.*Did you mean 'words'"):
        tokenizer_from_json({"kind": "word"})
    with pytest.raises(ArgumentError, match="other settings"):
        tokenizer_from_json({"kind": "characters", "lines": True})


@pytest.mark.parametrize(
    ("text", "expected"), [("漢字かな交じり文 2 x", True), ("Straße", False), ("", False), ("ภาษาไทย", True)]
)
def test_scripts_without_spaces(text: str, expected: bool) -> None:
    assert is_unspaced(text) is expected
