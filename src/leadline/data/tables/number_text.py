"""Numbers as people write them: 1,234.50 and 1.234,50, 12 %, $ 3, (1,234) for a negative, and the many words for "missing"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

# What stands in tables where a value is missing, in lower case: pandas' list, and a few more that real files hold.
MISSING = (
    "", "?", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none", "nil", "-", "--", ".", "..", "missing",
    "#value!", "#ref!", "#div/0!", "#name?", "#null!", "#num!", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
)  # fmt: skip

# In names of classes "none" or "-" may well be a class.
SURELY_MISSING = ("", "?", "na", "n/a", "#n/a", "<na>", "nan", "null")

_MONEY = r"(?:[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|JPY|INR)\b)"
_SPACES = r"[\s\u00a0\u202f\u2009']"
# The shape of a number with each decimal mark; what is between its digits is removed afterwards.
_DIGITS = {
    ".": rf"(?:\d{{1,3}}(?:(?:,|{_SPACES})\d{{3}})+|\d+)?(?:\.\d*)?(?:[eE][-+]?\d+)?",
    ",": rf"(?:\d{{1,3}}(?:(?:\.|{_SPACES})\d{{3}})+|\d+)?(?:,\d*)?(?:[eE][-+]?\d+)?",
}
_SIGN = r"[-+\u2212]?"


def without_missing(text: pl.Series, words: tuple[str, ...] = MISSING) -> pl.Series:
    """The same text [N], stripped, with null for every one of the words that mean "missing".

    Example:
        >>> import polars as pl
        >>> without_missing(pl.Series([" 3", "?", "N/A", "no"])).to_list()
        ['3', None, None, 'no']
    """
    import polars as pl

    stripped = text.str.strip_chars()
    return stripped.to_frame("x").select(pl.when(~_is_missing(pl.col("x"), words)).then(pl.col("x")))["x"]


def _is_missing(text: pl.Expr, words: tuple[str, ...]) -> pl.Expr:
    """Whether each text is one of the words for "missing"; null counts as missing, too."""
    import polars as pl

    longest = max(map(len, words))
    # Most values are longer than any of the words or begin like none: only the short ones are looked up.
    short = pl.when(text.str.len_bytes() <= longest).then(text.str.to_lowercase())
    return text.is_null() | short.is_in(list(words)).fill_null(False)


def decimal_mark(text: pl.Series) -> str:
    """The decimal mark of a column of numbers [N]: "," where the commas in it cannot all separate thousands, else ".".

    Where every comma could be either (1,234), it separates thousands.

    Example:
        >>> import polars as pl
        >>> [decimal_mark(pl.Series(column)) for column in (["1.5", "2"], ["1,5", "2"], ["1,234", "12"], ["0,250"])]
        ['.', ',', '.', ',']
    """
    with_comma = text.filter(text.str.contains(",", literal=True).fill_null(False))
    if not len(with_comma):
        return "."
    bare = with_comma.str.replace_all(rf"{_MONEY}|[%()\s]|{_SIGN}", "")
    thousands = (bare.str.contains(r"^[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?$")).sum()
    decimals = (bare.str.contains(r"^(?:\d{1,3}(?:[.']\d{3})+|\d+),\d*(?:[eE]\d+)?$")).sum()
    return "," if (decimals or 0) > (thousands or 0) else "."


def parse_numbers(text: pl.Series, decimal: str = ".") -> pl.Series:
    """Text [N] to float64 [N]: null where there is nothing or what stands there is no finite number.

    Currency, percent signs and separators of thousands are passed over ("12 %" is 12); a number in brackets is negative.

    Args:
        text: the values; null stays null.
        decimal: "." or ",".

    Example:
        >>> import polars as pl
        >>> parse_numbers(pl.Series(["$1,234.50", "(7)", "12 %", "1e3", "abc"])).to_list()
        [1234.5, -7.0, 12.0, 1000.0, None]
        >>> parse_numbers(pl.Series(["1.234,50", "0,5 €"]), ",").to_list()
        [1234.5, 0.5]
    """
    import polars as pl

    frame = text.to_frame("x")
    plain = pl.col("x").cast(pl.Float64, strict=False)
    if decimal == ",":  # 1.234 is a thousand, so only digits alone can be read as they are
        plain = pl.when(~pl.col("x").str.contains(".", literal=True)).then(plain)
    parsed = frame.select(plain.alias("x"))["x"]
    left = text.is_not_null() & parsed.is_null()
    if left.any():
        rest = text.filter(left)
        found = _decorated(rest, decimal)
        if found.is_not_null().any():
            parsed = parsed.scatter(left.arg_true(), found)
    return parsed.to_frame("x").select(pl.when(pl.col("x").is_finite()).then(pl.col("x")))["x"]


def _decorated(text: pl.Series, decimal: str) -> pl.Series:
    """Numbers with currency, percent signs, brackets and separators of thousands."""
    import polars as pl

    number = rf"{_MONEY}?\s*{_DIGITS[decimal]}\s*(?:%|{_MONEY})?"
    shape = rf"^(?:{_SIGN}\s*{_MONEY}?\s*{_SIGN}\s*{number}|\(\s*{number}\s*\))$"
    whole = pl.col("x").str.contains(shape) & pl.col("x").str.contains(r"\d")
    bare = pl.col("x").str.replace_all(rf"{_MONEY}|[%()]|{_SPACES}", "").str.replace_all("\u2212", "-", literal=True)
    bare = bare.str.replace_all("," if decimal == "." else ".", "", literal=True).str.replace(",", ".", literal=True)
    value = bare.cast(pl.Float64, strict=False)
    negative = pl.col("x").str.contains(r"^\(.*\)$")
    return text.to_frame("x").select(pl.when(whole).then(pl.when(negative).then(-value).otherwise(value)))["x"]
