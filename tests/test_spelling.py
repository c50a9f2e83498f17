import string
from collections.abc import Callable, Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.optim.averaging import make_average
from leadline.spelling import Call, bind, counted, make, parse_call, parse_product

NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8).filter(
    lambda name: name.isidentifier() and not __import__("keyword").iskeyword(name)
)
PLAIN = st.one_of(
    st.booleans(), st.integers(-1000, 1000), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
)
VALUES = st.one_of(PLAIN, st.lists(PLAIN, max_size=3))
CALLS = st.builds(Call, NAMES, st.lists(VALUES, max_size=3).map(tuple), st.dictionaries(NAMES, VALUES, max_size=3))


@given(st.lists(CALLS, min_size=1, max_size=4))
def test_what_is_written_is_read_back(calls: list[Call]) -> None:
    assert parse_product(" * ".join(map(str, calls)), "schedule") == calls


@pytest.mark.parametrize(
    "text", ["", "1", "a +", "a + b", "a(b)", "a(**b)", "a.b(1)", "a(1)(2)", "__import__('os')(1)", "a(lambda: 1)", "(" * 999]
)
def test_nothing_but_calls_with_literals_is_read(text: str) -> None:
    with pytest.raises(ArgumentError, match="schedule"):
        parse_product(text, "schedule")


def test_a_product_is_no_single_call() -> None:
    with pytest.raises(ArgumentError, match="is a product"):
        parse_call("cosine * cosine", "loss")


def leaky(x: float, slope: float = 0.01, *, inplace: bool = False) -> float:
    return x * slope


def test_the_first_parameters_may_be_the_programs_own() -> None:
    assert bind(parse_call("leaky(0.2, inplace=True)", "activation"), leaky, "activation", skip=1) == (
        (0.2,),
        {"inplace": True},
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("leaky(inplce=True)", "Did you mean 'inplace'"),
        ("leaky(x=1)", "no argument of leaky 'x'"),
        ("leaky(1, 2)", r"Expected leaky\(slope=0.01, \*, inplace=False\)"),
    ],
)
def test_arguments_that_do_not_fit_are_named(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        bind(parse_call(text, "activation"), leaky, "activation", skip=1)


def test_an_argument_that_is_missing_is_named() -> None:
    with pytest.raises(ArgumentError, match="missing a required argument: 'width'"):
        make("box", {"box": lambda width: width}, "shape")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="There is no schedule 'cosin'.*Did you mean 'cosine'"):
        make("cosin", {"cosine": lambda: 1, "step": lambda: 2}, "schedule")


def test_what_takes_nothing_says_so() -> None:
    with pytest.raises(ArgumentError, match="'cosine' takes no arguments"):
        make("cosine(rate=1)", {"cosine": lambda: 1}, "schedule")


def test_a_text_where_a_number_belongs_is_refused() -> None:
    with pytest.raises(ArgumentError, match="cannot be made"):
        make("double('a')", {"double": lambda x: x - 1}, "schedule")


@pytest.mark.parametrize("text", [3, None, ["cosine"]])
def test_what_is_no_text_is_refused(text: object) -> None:
    with pytest.raises(ArgumentError, match="The schedule is no text"):
        parse_call(text, "schedule")  # type: ignore[arg-type]


def test_what_a_function_refuses_is_told_in_one_line() -> None:
    def refuse() -> None:
        raise RuntimeError("no such size\nexpected one of:\n1")

    with pytest.raises(ArgumentError, match="'box' cannot be made. Got no such size.$"):
        make("box", {"box": refuse}, "shape")


def shaped(
    size: int = 1,
    rate: float = 0.1,
    *more: float,
    name: str = "",
    on: bool = False,
    at: Sequence[float] = (),
    pair: tuple[int, int] = (1, 1),
    limit: float | None = None,
    mode: Literal["up", "down"] = "up",
    free: Callable[[], None] | None = None,
    loose=None,  # what has no annotation takes anything
) -> None:
    pass


@pytest.mark.parametrize(
    "text",
    [
        "shaped(2, 1, 1, 2.5)",
        "shaped(rate=1, name='a', on=True)",
        "shaped(at=[1, 0.5])",
        "shaped(at=(1, 0.5), pair=[2, 3])",
        "shaped(at=[])",
        "shaped(limit=None, mode='down')",
        "shaped(limit=2)",
        "shaped(free=3, loose={'a': 1})",
    ],
)
def test_what_fits_its_annotation_is_taken_as_it_is(text: str) -> None:
    call = parse_call(text, "shape")
    assert bind(call, shaped, "shape") == (call.arguments, call.keywords)


@pytest.mark.parametrize(
    ("text", "name", "expected", "got"),
    [
        ("shaped('2')", "size", "a whole number", "'2'"),
        ("shaped(2.5)", "size", "a whole number", "2.5"),
        ("shaped(True)", "size", "a whole number", "True"),
        ("shaped(rate=False)", "rate", "a number", "False"),
        ("shaped(rate=[0.1])", "rate", "a number", "[0.1]"),
        ("shaped(1, 0.1, 2, 'x')", "more", "a number", "'x'"),
        ("shaped(name=3)", "name", "a text in quotes", "3"),
        ("shaped(on=1)", "on", "True or False", "1"),
        ("shaped(at=0.5)", "at", "a list of numbers", "0.5"),
        ("shaped(at='0.5')", "at", "a list of numbers", "'0.5'"),
        ("shaped(at=[0.5, 'x'])", "at", "a list of numbers", "[0.5, 'x']"),
        ("shaped(pair=[1])", "pair", "2 values in brackets (a whole number, a whole number)", "[1]"),
        ("shaped(limit='x')", "limit", "a number or None", "'x'"),
        ("shaped(mode='left')", "mode", "'up' or 'down'", "'left'"),
    ],
)
def test_what_does_not_fit_its_annotation_is_named(text: str, name: str, expected: str, got: str) -> None:
    with pytest.raises(ArgumentError) as told:
        bind(parse_call(text, "shape"), shaped, "shape")
    kind = f"The argument {name!r} of the shape 'shaped' has the wrong kind of value"
    assert str(told.value) == f"{kind}. Expected {expected}; got {got}."


def test_annotations_that_only_a_type_checker_can_read_are_passed_over() -> None:
    def later(size: "Missing" = 1, rate: "float" = 0.1) -> None:  # type: ignore[name-defined]  # noqa: F821
        pass

    assert bind(parse_call("later('x')", "shape"), later, "shape") == (("x",), {})
    with pytest.raises(ArgumentError, match="'rate'.*Expected a number"):
        bind(parse_call("later(rate='x')", "shape"), later, "shape")


@pytest.mark.parametrize("text", ["ema('a')", "ema(decay='a')"])
def test_a_real_average_tells_its_argument(text: str) -> None:
    with pytest.raises(ArgumentError, match="The argument 'decay' of the weight average 'ema' .* Expected a number; got 'a'"):
        make_average(text, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "words"), [(0, "0 rows"), (1, "1 row"), (1234, "1,234 rows")])
def test_a_count_has_its_words_in_the_right_number(count: int, words: str) -> None:
    assert counted(count, "row") == words
