"""Eight float32 numbers as one value of compiled code, so that a loop keeps what it sums up in registers.

numba vectorizes plain loops by itself, but gives up where several rows of one array are read and written, as word2vec does.
Here the vector is a type of its own: `load` and `store` move eight numbers at a time, and what is computed between them stays
in registers, on any processor that LLVM knows (one AVX register, or two of SSE or NEON).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

WIDTH = 8
_VECTOR = ir.VectorType(ir.FloatType(), WIDTH)
_INDEX = ir.IntType(32)
_FAR = 5.0  # beyond it tanh is 1 to four digits; the continued fraction below goes on rising


class LanesType(types.Type):
    """The type of eight float32 numbers in numba's eyes."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


LANES: Any = LanesType()


def _generated(function: Callable[..., Any]) -> Any:
    """A function of compiled code whose instructions are given: it says its type, and what generates it."""
    return intrinsic(function)


@register_model(LanesType)
class LanesModel(models.PrimitiveModel):
    """How they lie in memory: as LLVM's own vector."""

    def __init__(self, manager: Any, kind: LanesType) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


@_generated
def load(typing: Any, array: Any, at: Any) -> Any:
    """Numbers at … at + 7 of a flat float32 array."""

    def generate(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
        return builder.load(_place(context, builder, signature, given, _VECTOR), align=4)

    return LANES(array, types.intp), generate


@_generated
def store(typing: Any, array: Any, at: Any, lanes: Any) -> Any:
    """Write them there."""

    def generate(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
        builder.store(given[2], _place(context, builder, signature, given, _VECTOR), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, LANES), generate


@_generated
def fetch_ahead(typing: Any, array: Any, at: Any) -> Any:
    """Ask for the cache line of number `at` of a flat array, which is to be written soon; nothing waits for it."""

    def generate(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
        place = _place(context, builder, signature, given, ir.IntType(8))
        kind = ir.FunctionType(ir.VoidType(), [place.type, _INDEX, _INDEX, _INDEX])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(fetch, [place, *(ir.Constant(_INDEX, number) for number in (1, 3, 1))])  # to write, to keep, data
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@_generated
def splat(typing: Any, value: Any) -> Any:
    """One float32 number, eight times."""

    def generate(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
        blank = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(blank, given[0], ir.Constant(_INDEX, 0))
        return _shuffled(builder, first, blank, [0] * WIDTH)

    return LANES(types.float32), generate


@_generated
def multiply_add(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
        return _called(builder, "fma", given)

    return LANES(LANES, LANES, LANES), generate


def _of_two(name: str) -> Any:
    def typed(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
            return getattr(builder, name)(*given)

        return LANES(LANES, LANES), generate

    return _generated(typed)


plus, minus, times = _of_two("fadd"), _of_two("fsub"), _of_two("fmul")


@_generated
def six_sums(typing: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
    """Lanes of which the first six are the sums over the lanes of each of six."""

    def generate(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
        def paired(x: Any, y: Any) -> Any:
            """Sums of neighbours, those of x before those of y in each half of the lanes."""
            even, odd = (_shuffled(builder, x, y, [at + one for at in (0, 2, 8, 10, 4, 6, 12, 14)]) for one in (0, 1))
            return builder.fadd(even, odd)

        of_two = [paired(given[at], given[at + 1]) for at in (0, 2, 4)]
        of_four = [paired(of_two[0], of_two[1]), paired(of_two[2], of_two[2])]
        low, high = ([*range(at, at + 4), *range(at + 8, at + 12)] for at in (0, 4))
        first, second = of_four
        return builder.fadd(_shuffled(builder, first, second, low), _shuffled(builder, first, second, high))

    return LANES(*[LANES] * 6), generate


@_generated
def sigmoid(typing: Any, x: Any) -> Any:
    """1 / (1 + e^−x) = ½ + ½ tanh(x / 2), by Lambert's continued fraction y / (1 + y² / (3 + y² / (5 + …))) up to 13.

    It is within 2e-4 of the true value wherever that is not yet 0 or 1 to four digits, and needs one division for all eight.
    """

    def generate(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
        def of(value: float) -> Any:
            return ir.Constant(_VECTOR, [value] * WIDTH)

        def polynomial(*coefficients: float) -> Any:
            total = of(coefficients[0])
            for coefficient in coefficients[1:]:
                total = _called(builder, "fma", [total, square, of(coefficient)])
            return total

        half = builder.fmul(given[0], of(0.5))
        y = _called(builder, "minnum", [_called(builder, "maxnum", [half, of(-_FAR)]), of(_FAR)])
        square = builder.fmul(y, y)
        above, below = polynomial(1.0, 378.0, 17325.0, 135135.0), polynomial(28.0, 3150.0, 62370.0, 135135.0)
        tangent = builder.fdiv(builder.fmul(y, above), below)
        return _called(builder, "fma", [tangent, of(0.5), of(0.5)])

    return LANES(LANES), generate


def _place(context: Any, builder: Any, signature: Any, given: Sequence[Any], kind: Any) -> Any:
    """Where number `given[1]` of the array `given[0]` lies, as a pointer to what `kind` says."""
    array = context.make_array(signature.args[0])(context, builder, given[0])
    return builder.bitcast(builder.gep(array.data, [given[1]]), kind.as_pointer())


def _shuffled(builder: Any, a: Any, b: Any, places: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INDEX, len(places)), list(places)))


def _called(builder: Any, name: str, given: Sequence[Any]) -> Any:
    """One of LLVM's own functions on vectors."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(given))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f32")  # type: ignore[no-untyped-call]
    return builder.call(function, list(given))
