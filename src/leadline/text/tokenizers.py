"""Tokenizers: from text to tokens (words and marks, what spaces divide, or characters) and back to text that reads well."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, ClassVar

from leadline.errors import ArgumentError, unknown

UNKNOWN_WORD = "<unk>"
_LONGEST = 64  # characters of a word: a gigabyte without a space must not be a single token
_LONGEST_SPACED = 1000  # where spaces alone divide; more than any address, and in UTF-8 no more than files of vectors may have

# Scripts that put no spaces between words: ideographs, kana; Thai, Lao, Burmese, Khmer.
_UNSPACED = (
    "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U000323af"
    "\u0e00-\u0e3a\u0e40-\u0e4e\u0e80-\u0ebd\u0ec0-\u0ece\u1000-\u103f\u1780-\u17d3"
)
# Where marks and the scripts above are, and much else: quick to look for, as there are few spans.
_AMONG = "\u0300-\u036f\u0483-\u0489\u0591-\u1dff\u200c\u200d\u20d0-\u20ff\u2cef-\u2cf1\u2d7f-\U0010ffff"
_SPECIAL = re.compile(f"[{_AMONG}]")  # elsewhere the simple pattern does
# Simple tags and characters spelled out, as in web pages: <unk>, <br />, </s>, &amp;.
_TAG = r"</?[A-Za-z]\w{0,30} ?/?>|&#?\w{1,8};"
_NUMBER = r"\d{1,64}(?:[.,]\d{1,64}){1,9}(?!\w)"
_JOINING = "'\u2019"  # within a word: don't

# How marks stand in running text, for `join`.
_NO_SPACE_BEFORE = frozenset(".,;:!?)]}%\u2019\u201d\u00bb\u2026\u3002\u3001\uff0c\uff01\uff1f\uff1a\uff1b\u300d")
_NO_SPACE_AFTER = frozenset("([{@$\u20ac\u00a3#\u201c\u2018\u00ab\u00bf\u00a1\u300c")
_NO_SPACE_AROUND = frozenset("-/\\\n\u2010\u2011")
_PAIRED = frozenset("\"'`")


@dataclass(frozen=True)
class WordTokenizer:
    """Tokens are words, numbers such as 1,000.5, simple tags such as <br />, signs spelled out like &amp;, and single marks.

    Words are what Unicode calls letters, digits and their marks, with apostrophes inside. Where a script puts no space between
    words, each character is a token. A word has at most 64 characters: a longer run is cut.

    Args:
        lower: whether all letters are made lower case.
        lines: whether the end of a line is a token, "\\n"; otherwise it is a space like others.

    Example:
        >>> words = WordTokenizer(lower=True)
        >>> words.split("Don't pay $1,000 (or more)!")
        ["don't", 'pay', '$', '1,000', '(', 'or', 'more', ')', '!']
        >>> words.join(words.split("Don't pay $1,000 (or more)!"))
        "don't pay $1,000 (or more)!"
    """

    lower: bool = False
    lines: bool = False
    kind: ClassVar[str] = "words"

    def split(self, text: str) -> list[str]:
        """The tokens of a text, in order."""
        text = text.lower() if self.lower else text
        simple = _pattern(simple=True, lines=self.lines)
        if text.isascii() or not _SPECIAL.search(text):
            return simple.findall(text)
        full = _pattern(simple=False, lines=self.lines)  # much slower, so for the lines that need it alone
        tokens: list[str] = []
        for line in text.splitlines(keepends=True):
            tokens += (full if _SPECIAL.search(line) else simple).findall(line)
        return tokens

    def join(self, tokens: Iterable[str]) -> str:
        """Tokens as running text, with spaces where people put them; `split` of it gives the same tokens.

        Example:
            >>> WordTokenizer().join(["(", "well", "-", "known", ",", '"', "yes", '"', ")"])
            '(well-known, "yes")'
        """
        parts: list[str] = []
        open_marks: set[str] = set()
        glued = False
        before = ""
        for token in tokens:
            opens = token in _PAIRED and token not in open_marks
            if token in _PAIRED:
                open_marks ^= {token}
            elif token == "\n":
                open_marks.clear()
            closes = token in _PAIRED and not opens
            tight = token in _NO_SPACE_BEFORE or token in _NO_SPACE_AROUND or closes
            loose = before == "<" or _is_mark(token)  # together with what stands before, these would be read as one token
            if before and (loose or not (glued or tight or (_is_unspaced(before) and _is_unspaced(token)))):
                parts.append(" ")
            parts.append(token)
            glued = token in _NO_SPACE_AFTER or token in _NO_SPACE_AROUND or opens
            before = token
        return "".join(parts)


@dataclass(frozen=True)
class SpacedTokenizer:
    """What white space divides is a token, as in text whose words and marks were set apart before (Penn Treebank, WikiText).

    A token has at most 1,000 characters: a longer run, such as an endless line without a space, is cut.

    Args:
        lower: whether all letters are made lower case.
        lines: whether the end of a line is a token, "\\n".

    Example:
        >>> SpacedTokenizer(lines=True).split("the <unk> 's share , N %\\n")
        ['the', '<unk>', "'s", 'share', ',', 'N', '%', '\\n']
    """

    lower: bool = False
    lines: bool = False
    kind: ClassVar[str] = "spaced words"

    def split(self, text: str) -> list[str]:
        """The tokens of a text, in order."""
        return _spaced(lines=self.lines).findall(text.lower() if self.lower else text)

    def join(self, tokens: Iterable[str]) -> str:
        """Tokens with a space between them, and none around the end of a line.

        Example:
            >>> SpacedTokenizer().join(["no", ",", "it", "was", "n't", "\\n", "black", "monday"])
            "no , it was n't\\nblack monday"
        """
        return re.sub(r" ?\n ?", "\n", " ".join(tokens))


@dataclass(frozen=True)
class CharacterTokenizer:
    """Each character is a token; `join` gives back exactly what was split.

    Args:
        lower: whether all letters are made lower case.

    Example:
        >>> characters = CharacterTokenizer()
        >>> characters.split("To be"), characters.join(characters.split("To be"))
        (['T', 'o', ' ', 'b', 'e'], 'To be')
    """

    lower: bool = False
    kind: ClassVar[str] = "characters"

    def split(self, text: str) -> list[str]:
        """The characters of a text, in order."""
        return list(text.lower() if self.lower else text)

    def join(self, tokens: Iterable[str]) -> str:
        """The characters one after the other; an unknown one shows as the replacement character.

        Example:
            >>> CharacterTokenizer().join(["a", "<unk>", "b"])
            'a\ufffdb'
        """
        return "".join("\ufffd" if token == UNKNOWN_WORD else token for token in tokens)


Tokenizer = WordTokenizer | SpacedTokenizer | CharacterTokenizer
TOKENIZERS: Mapping[str, type[WordTokenizer] | type[SpacedTokenizer] | type[CharacterTokenizer]] = {
    tokenizer.kind: tokenizer for tokenizer in (WordTokenizer, SpacedTokenizer, CharacterTokenizer)
}


def tokenizer_to_json(tokenizer: Tokenizer) -> dict[str, Any]:
    """A tokenizer as plain values.

    Example:
        >>> tokenizer_to_json(CharacterTokenizer())
        {'kind': 'characters', 'lower': False}
    """
    return {"kind": tokenizer.kind, **asdict(tokenizer)}


def tokenizer_from_json(fields: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that `tokenizer_to_json` wrote.

    Errors: `ArgumentError` for a kind or a field that there is not.

    Example:
        >>> tokenizer_from_json({"kind": "words", "lower": True})
        WordTokenizer(lower=True, lines=False)
    """
    rest = dict(fields)
    kind = rest.pop("kind", None)
    if kind not in TOKENIZERS:
        unknown("tokenizer", str(kind), TOKENIZERS)
    try:
        return TOKENIZERS[kind](**rest)
    except TypeError as error:
        raise ArgumentError(f"The tokenizer by {kind} has other settings", got=", ".join(rest)) from error


def is_unspaced(text: str) -> bool:
    """Whether most letters of a text belong to scripts that put no spaces between words.

    Example:
        >>> is_unspaced("日本語のテキスト"), is_unspaced("English text"), is_unspaced("1, 2, 3")
        (True, False, False)
    """
    letters = sum(map(str.isalpha, text))
    return letters > 0 and 2 * len(re.findall(f"[{_UNSPACED}]", text)) > letters


def _is_unspaced(token: str) -> bool:
    return bool(token) and token[0] > "\u0dff" and re.match(f"[{_UNSPACED}]", token) is not None


def _is_mark(token: str) -> bool:
    return token[:1] > "\u02ff" and re.match(f"[{_marks()}]", token) is not None


@cache
def _spaced(*, lines: bool) -> re.Pattern[str]:
    return re.compile(rf"\S{{1,{_LONGEST_SPACED}}}" + (r"|\n" if lines else ""))


@cache
def _marks() -> str:
    """What stands over, under or behind a letter (accents, vowel signs), which Python's \\w leaves out, for a pattern."""
    found = [code for code in (*range(0x300, 0xFE30), *range(0x10000, 0x1F000)) if unicodedata.category(chr(code))[0] == "M"]
    found += [0x200C, 0x200D, *range(0xE0100, 0xE01F0)]  # joiners within words and emoji, and variation selectors
    spans: list[list[int]] = []
    for code in found:
        if spans and code == spans[-1][1] + 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in spans)


@cache
def _pattern(*, simple: bool, lines: bool) -> re.Pattern[str]:
    if simple:
        word = rf"\w{{1,{_LONGEST}}}(?:[{_JOINING}]\w{{1,{_LONGEST}}}){{0,3}}"
        parts = [_TAG, _NUMBER, word, r"[^\w\s]"]
    else:
        marks = _marks()
        marked = rf"(?:(?=[{_AMONG}])[{marks}]{{1,8}})?"
        letter = rf"(?:(?![{_UNSPACED}])\w{marked})"
        word = rf"{letter}{{1,{_LONGEST}}}(?:[{_JOINING}]{letter}{{1,{_LONGEST}}}){{0,3}}"
        parts = [_TAG, _NUMBER, word, rf"[{_UNSPACED}]{marked}", rf"(?![{marks}])\S{marked}", rf"[{marks}]"]
    return re.compile("|".join([*parts, *([r"\n"] if lines else [])]))
