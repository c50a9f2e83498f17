"""Numbers, times and answers as a reader wants them: rounded to what they can bear, with units, never misleading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

NARROW = "\u202f"  # a thin space that does not break: between a number and its unit
PERCENT_SCORES = frozenset(
    {
        "accuracy",
        "top_5_accuracy",
        "balanced_accuracy",
        "exact_match",
        "span_f1",
        "span_precision",
        "span_recall",
        "labels_accuracy",
        "calibration_error",
        "clipped",
        "explained",
        "node_accuracy",
        "polar_accuracy",
    }
)


def as_number(value: float | None, digits: int = 4, *, trim: bool = True) -> str:
    """A number with about `digits` significant digits, thousands separated; whole numbers stay whole.

    `trim` drops zeros at the end; numbers that stand in a column keep them.

    Example:
        >>> [as_number(value) for value in (1797, 0.00314159, -12.5, 1234.56, 2.5e-7, None)]
        ['1,797', '0.003142', '−12.5', '1,235', '2.5e−7', '—']
    """
    if not is_finite(value):
        return "—"
    if float(value).is_integer() and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif abs(value) >= 1e7 or abs(value) < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        text = f"{mantissa}e{int(exponent)}"
    else:
        text = f"{value:,.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"
        text = text.rstrip("0").rstrip(".") if trim and "." in text else text
    return text.replace("-", "−")


def as_percent(value: float | None, *, unit: bool = True) -> str:
    """A share in [0, 1] as a percentage; only a share of exactly 1 reads "100", only exactly 0 reads "0".

    Example:
        >>> [as_percent(value, unit=False) for value in (0.98889, 1.0, 0.99996, 0.9999, 0.0, 0.00004, 0.5)]
        ['98.9', '100', '99.99', '99.99', '0', '0.01', '50.0']
    """
    if not is_finite(value):
        return "—"
    if value in (0, 1):
        text = f"{100 * value:.0f}"
    elif 0.9995 <= value < 1:
        text = f"{math.floor(1e4 * value) / 100:.2f}"
    elif 0 < value < 0.0005:
        text = f"{max(0.01, 100 * value):.2f}"
    else:
        text = f"{100 * value:.1f}".replace("-", "−")
    return text + (NARROW + "%" if unit else "")


def as_sureness(probability: float | None) -> str:
    """A probability in a caption: whole percents, and tenths where they matter, from 99 on.

    Example:
        >>> [as_sureness(value).replace(NARROW, " ") for value in (0.5549, 0.9962, None)]
        ['55 %', '99.6 %', '']
    """
    if not is_finite(probability):
        return ""
    return as_percent(probability) if probability >= 0.99 else f"{100 * probability:.0f}{NARROW}%"


def as_score(metric: str, value: float | None) -> str:
    """A score the way its metric is usually read: accuracies as percentages, everything else as a number.

    Example:
        >>> as_score("auroc", 0.98765), as_score("accuracy", 0.75).replace(NARROW, " ")
        ('0.988', '75.0 %')
        >>> as_score("psnr", 31.0).replace(NARROW, " ")
        '31.00 dB'
    """
    if metric in PERCENT_SCORES:
        return as_percent(value)
    if metric == "psnr":
        return f"{value:.2f}{NARROW}dB".replace("-", "−") if is_finite(value) else "—"
    if is_finite(value) and metric not in ("mae", "rmse") and abs(value) < 10:
        return f"{value:.3f}".replace("-", "−")
    return as_number(value, 3, trim=False)


def as_tick(metric: str, value: float) -> str:
    """A round value on a scale, without decimals that say nothing.

    Example:
        >>> as_tick("accuracy", 0.8).replace(NARROW, " "), as_tick("mae", 2.0)
        ('80 %', '2')
    """
    return f"{100 * value:.6g}{NARROW}%".replace("-", "−") if metric in PERCENT_SCORES else as_number(round(float(value), 12))


def as_interval(metric: str, low: float | None, high: float | None) -> str:
    """An interval with its unit once.

    Example:
        >>> as_interval("accuracy", 0.975, 0.997).replace(NARROW, " ")
        '97.5 to 99.7 %'
    """
    if not (is_finite(low) and is_finite(high)):
        return ""
    if low == high:
        return as_score(metric, high)
    start = as_percent(low, unit=False) if metric in PERCENT_SCORES else as_score(metric, low).removesuffix(f"{NARROW}dB")
    return f"{start} to {as_score(metric, high)}"


def as_change(metric: str, value: float, largest: float, *, unit: bool = True) -> str:
    """How much a score changes, with as many decimals as the largest change beside it bears; never "−0".

    Example:
        >>> as_change("auroc", 0.04321, 0.213), as_change("auroc", -0.00004, 0.213), as_change("mae", 1234.5, 29477.0)
        ('0.043', '0.000', '1,234')
        >>> as_change("accuracy", 0.04321, 0.213).replace(NARROW, " ")
        '4.3 %'
    """
    scale, mark = (100, f"{NARROW}%") if metric in PERCENT_SCORES else (1, "")
    digits = 2 - math.floor(math.log10(scale * abs(largest))) if largest else 0
    text = f"{scale * value:,.{min(max(digits, 0), 12)}f}"
    text = text.removeprefix("-") if not text.strip("-0.,") else text
    return text.replace("-", "−") + (mark if unit else "")


def as_listing(names: Sequence[str], most: int = 6) -> str:
    """Names as they stand in a sentence, quoted; of many the first.

    Example:
        >>> print(as_listing(["age", "sex", "hours"]), "|", as_listing(["a", "b", "c", "d"], most=2))
        “\u2068age\u2069”, “\u2068sex\u2069” and “\u2068hours\u2069” | “\u2068a\u2069”, “\u2068b\u2069” and 2 more
    """
    quoted = [f"“\u2068{shortened(as_answer(name))}\u2069”" for name in names[:most]]
    last = f"{len(names) - most:,} more" if len(names) > most else quoted.pop()
    return f"{', '.join(quoted)} and {last}" if quoted else last


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun in the right number.

    Example:
        >>> counted(1, "row"), counted(2000, "row"), counted(2, "category", "categories")
        ('1 row', '2,000 rows', '2 categories')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def in_sentence(title: str) -> str:
    """A title as it stands in the middle of a sentence.

    Example:
        >>> in_sentence("Mean absolute error"), in_sentence("AUROC"), in_sentence("R²")
        ('mean absolute error', 'AUROC', 'R²')
    """
    return title if title[1:2] in "²" or title[1:2].isupper() else title[:1].lower() + title[1:]


def as_duration(seconds: float | None) -> str:
    """A time in at most two units.

    Example:
        >>> [as_duration(seconds).replace(NARROW, " ") for seconds in (0.04, 9.26, 75, 7384)]
        ['0.04 s', '9.3 s', '1 min 15 s', '2 h 3 min']
    """
    if not is_finite(seconds):
        return "—"
    if seconds < 60:
        text = f"{seconds:.2f}" if seconds < 0.1 else f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"
        return f"{text}{NARROW}s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if hours:
        return f"{hours:,}{NARROW}h {minutes % 60}{NARROW}min"
    return f"{minutes}{NARROW}min {int(seconds % 60)}{NARROW}s"


def as_size(value: float | None) -> str:
    """A large count in a few characters.

    Example:
        >>> [as_size(value).replace(NARROW, " ") for value in (650, 12_840, 11_181_642, 2_500_000_000)]
        ['650', '12,840', '11.2 million', '2.5 billion']
    """
    if not is_finite(value):
        return "—"
    for scale, word in ((1e9, "billion"), (1e6, "million")):
        if abs(value) >= scale:
            return f"{value / scale:.1f}{NARROW}{word}"
    return f"{int(value):,}"


def as_answer(value: Any) -> str:
    """What a network said, or what is true, as text: a class, several labels, or numbers.

    Example:
        >>> as_answer("cat"), as_answer(["cat", "dog"]), as_answer([]), as_answer(3.25), as_answer({"price": 20.5})
        ('cat', 'cat, dog', 'none', '3.25', 'price 20.5')
    """
    if value is None:
        return "—"
    if isinstance(value, dict):
        return ", ".join(f"{key} {as_answer(part)}" for key, part in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(as_answer(part) for part in value) or "none"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return as_number(value)
    return str(value) if str(value).strip() else "(blank)"


def as_setting(value: Any) -> str:
    """A value of a plan as it is written in a plan file, without quotation marks.

    Example:
        >>> [as_setting(value) for value in (True, None, 0.001, "adamw", [1, 2], {"depth": 3})]
        ['true', 'none', '0.001', 'adamw', '1, 2', 'depth = 3']
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{key} = {as_setting(part)}" for key, part in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(as_setting(part) for part in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def shortened(text: str, most: int = 40) -> str:
    """`text` with its middle left out when it is longer than `most` characters.

    Example:
        >>> shortened("Lactobacillus delbrueckii subspecies bulgaricus", 20)
        'Lactobacill…lgaricus'
    """
    return text if len(text) <= most else f"{text[: most - most * 2 // 5 - 1]}…{text[len(text) - most * 2 // 5 :]}"


def is_finite(value: Any) -> TypeGuard[float]:
    """Whether `value` is a number that can be drawn and printed."""
    return isinstance(value, (int, float)) and math.isfinite(value)
