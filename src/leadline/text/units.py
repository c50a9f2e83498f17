"""By character or by word: what the tokens of a text should be, told from a sample of it."""

from __future__ import annotations

import re
from typing import NamedTuple

from leadline.errors import DataError
from leadline.text.tokenizers import WordTokenizer, is_unspaced

_FEWEST_WORDS = 500_000  # with fewer words most of them are seen too seldom to be learned
_OFTEN = 50.0  # times that each different word comes on average where few words say all
_FEW_WORDS = 5_000
_CODE_MARKS, _CODE_LINES = 0.08, 0.35  # shares of marks among characters, and of lines that look like code
_APART = 0.9  # of the marks stand apart where the text was divided into tokens before
_SAMPLED = 1 << 20
# A line of a program: it ends in a semicolon or a bracket that opens, or begins with a keyword, a comment or an assignment.
_CODE_LINE = re.compile(
    r"[;{}(\[\\]\s*$|^\s*(?:def|class|import|from|return|if|elif|else|for|while|try|except|var|let|const|function|public|private"
    r"|static|void|int|struct|fn|use|package|#include|#define|self|assert|raise|with|yield)\b|^\s*(?:@\w|//|/\*|\*|\}|\))"
    r"|^\s*[\w.\[\]]+\s*[-+*/|:]?=\s"
)
_MARK_AFTER_WORD = re.compile(r"\S[.,;:!?](?=\s|$)")
_MARK_APART = re.compile(r"(?:^|\s)[.,;:!?](?=\s|$)")


class SuggestedUnit(NamedTuple):
    """What the tokens of a text should be, and why.

    `unit` is the name of a tokenizer: "characters", "words", or "spaced words".

    Example:
        >>> SuggestedUnit("words", "it has 2 million words").unit
        'words'
    """

    unit: str
    reason: str


def suggested_unit(sample: str, characters: int | None = None) -> SuggestedUnit:
    """Whether a text is better learned by character or by word.

    By character: programs (marks and spelling matter), scripts without spaces, and texts of fewer than half a million words,
    unless few words say all. By word: all else; and where words and marks stand apart already, as in texts that were prepared
    for language models, what spaces divide.

    Args:
        sample: the beginning of the text, or all of it.
        characters: how many the whole text has, or about; as many as the sample when None.

    Errors: `DataError` for a sample in which nothing stands.

    Example:
        >>> suggested_unit("To be, or not to be, that is the question:\\n" * 20)
        SuggestedUnit(unit='characters', reason='its 200 words are too few to learn each by itself')
        >>> suggested_unit("for key in keys:\\n    total += counts[key]\\nreturn total\\n" * 20).reason
        'it is the text of a program: 100 % of its lines look like code'
    """
    sample = sample[:_SAMPLED]
    lines = [line for line in sample.split("\n") if line.strip()]
    if not lines:
        raise DataError("There is no text to tell words or characters from", got="nothing, or only white space")
    if is_unspaced(sample):
        return SuggestedUnit("characters", "its script puts no spaces between words")
    code = sum(map(bool, map(_CODE_LINE.search, lines))) / len(lines)
    marks = len(re.findall(r"[^\w\s]", sample)) / max(1, len(re.findall(r"\S", sample)))
    if code > _CODE_LINES and marks > _CODE_MARKS:
        return SuggestedUnit(
            "characters", f"it is the text of a program: {code:.0%} of its lines look like code".replace("%", " %")
        )
    words = [word for word in WordTokenizer(lower=True).split(sample) if word[0].isalnum()]
    scale = max(1.0, (characters or len(sample)) / len(sample))
    count, different = int(len(words) * scale), len(set(words))
    apart, behind = len(_MARK_APART.findall(sample)), len(_MARK_AFTER_WORD.findall(sample))
    unit = "spaced words" if "<unk>" in sample or apart > _APART * max(20, apart + behind) else "words"
    apart_too = "; its words and marks stand apart already" if unit == "spaced words" else ""
    if different <= _FEW_WORDS and len(words) >= _OFTEN * different:
        often = f"few words say all: {different:,} different ones, each {len(words) / different:,.0f} times on average"
        return SuggestedUnit(unit, often + apart_too)
    if count < _FEWEST_WORDS:
        about = "" if scale == 1 else "about "
        return SuggestedUnit("characters", f"its {about}{count:,} words are too few to learn each by itself")
    return SuggestedUnit(unit, f"its {count:,} words are enough to learn the common ones{apart_too}")
