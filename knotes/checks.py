"""Comparison of a result with an independent one, at full precision."""

from collections.abc import Iterator
from typing import Any

import numpy as np


def check(actual: Any, expected: Any, *, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Compare `actual` with an independently computed `expected` at full precision.

    Both are numbers, arrays or tensors of the same shape (nothing is broadcast; dtypes may
    differ), or lists, tuples and dicts of them with the same structure. Floating-point values are
    equal when |actual - expected| <= atol + rtol * |expected|; infinities equal infinities of
    their sign; NaN equals nothing; integers, booleans and strings must be equal exactly.

    Prints one line when all values are equal. Raises AssertionError, which names the shapes, or
    the number of differing values and the worst of them, when they are not, and ValueError when
    there is nothing to compare or a tolerance is negative.
    """
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not tolerance >= 0:
            raise ValueError(f"{name}: expected a number >= 0, got {tolerance!r}")
    count = differing = 0
    worst: tuple[float, str] = (-1.0, "")
    for place, a, e in _pairs(actual, expected, ""):
        excess = _excess(a, e, rtol, atol)
        count += excess.size
        differing += int(np.count_nonzero(excess > 0))
        if excess.size and excess.max() > worst[0]:
            index = np.unravel_index(excess.argmax(), excess.shape)
            where = place + (f"[{', '.join(map(str, index))}]" if index else "")
            at = f" at {where}" if where else ""
            worst = (excess.max(), f"{at}: actual {a[index]}, expected {e[index]}")
    if count == 0:
        raise ValueError("actual and expected hold no values: a check must compare something")
    tolerances = f"rtol={rtol:g}, atol={atol:g}"
    if differing:
        raise AssertionError(
            f"{differing} of {_values(count)} differ ({tolerances}); the worst{worst[1]}"
        )
    print(f"equal: {_values(count)}, {tolerances}")


def _values(count: int) -> str:
    return f"{count} value" + ("s" if count != 1 else "")


def _pairs(actual: Any, expected: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield (place, actual array, expected array) for each leaf of two equal structures."""
    where = f" at {place}" if place else ""
    if isinstance(actual, dict) or isinstance(expected, dict):
        if not (isinstance(actual, dict) and isinstance(expected, dict)):
            kinds = f"{type(actual).__name__}, expected {type(expected).__name__}"
            raise AssertionError(f"structures differ{where}: actual {kinds}")
        if actual.keys() != expected.keys():
            keys = f"actual keys {sorted(actual, key=str)}, expected {sorted(expected, key=str)}"
            raise AssertionError(f"structures differ{where}: {keys}")
        for key in actual:
            yield from _pairs(actual[key], expected[key], f"{place}[{key!r}]")
    elif isinstance(actual, list | tuple) and isinstance(expected, list | tuple):
        if len(actual) != len(expected):
            lengths = f"actual has {len(actual)} entries, expected {len(expected)}"
            raise AssertionError(f"structures differ{where}: {lengths}")
        for index, (a, e) in enumerate(zip(actual, expected, strict=True)):
            yield from _pairs(a, e, f"{place}[{index}]")
    else:
        a, e = _array(actual, "actual" + where), _array(expected, "expected" + where)
        if a.shape != e.shape:
            raise AssertionError(f"shapes differ{where}: actual {a.shape}, expected {e.shape}")
        yield place, a, e


def _array(value: Any, name: str) -> Any:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        kind = type(value).__name__
        raise ValueError(f"{name}: expected an array of numbers, got {kind}: {error}") from error
    if array.dtype.kind == "V":  # bfloat16 and float8 of ml_dtypes
        array = array.astype(np.float64)
    if array.dtype == object:
        raise ValueError(f"{name}: expected an array of numbers, got {value!r}")
    return array


def _excess(actual: Any, expected: Any, rtol: float, atol: float) -> Any:
    """The distance of each pair beyond the tolerance: 0 where equal, inf where there is none."""
    if not {actual.dtype.kind, expected.dtype.kind} & {"f", "c"}:
        return np.where(actual == expected, 0.0, np.inf)
    wide = np.result_type(actual, expected, np.float64)
    a, e = actual.astype(wide), expected.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(a - e)
        within = distance <= atol + rtol * np.abs(e)
    # an infinite `expected` makes the tolerance infinite: there, only its equal is equal
    finite = np.isfinite(a) & np.isfinite(e)
    return np.where((a == e) | (within & finite), 0.0, np.where(finite, distance, np.inf))
