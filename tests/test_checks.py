"""check: what counts as equal, and what the failure says."""

import contextlib
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import knotes

finite = st.floats(-1e6, 1e6)
arrays = hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=finite)


def quiet_check(*args, **kwargs):
    """check without its line; returns the line."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        knotes.check(*args, **kwargs)
    return out.getvalue()


def test_prints_one_fixed_line(capsys):
    knotes.check([[1, 2, 3], [4, 5, 6]], np.arange(1, 7).reshape(2, 3))
    assert capsys.readouterr().out == "equal: 6 values, rtol=1e-05, atol=1e-06\n"
    knotes.check(1.0, 1.0 + 1e-4, rtol=0.001, atol=0)
    assert capsys.readouterr().out == "equal: 1 value, rtol=0.001, atol=0\n"


@given(arrays)
def test_every_array_equals_itself(values):
    assert quiet_check(values, values.tolist()).startswith(f"equal: {values.size} value")


@given(arrays, st.data())
def test_one_differing_value_fails_in_both_directions_and_is_counted_and_located(values, data):
    index = data.draw(st.tuples(*(st.integers(0, side - 1) for side in values.shape)))
    other = values.copy()
    other[index] += 1 + abs(other[index])
    place = ", ".join(map(str, index))
    for actual, expected in ((values, other), (other, values)):
        with pytest.raises(AssertionError) as failure:
            quiet_check(actual, expected)
        assert f"1 of {values.size} value" in str(failure.value)
        assert f"at [{place}]: actual {actual[index]}" in str(failure.value)
        assert f"expected {expected[index]}" in str(failure.value)


@given(
    expected=st.floats(-1e3, 1e3),
    rtol=st.floats(1e-6, 1e-1),
    atol=st.floats(1e-6, 1e-1),
    sign=st.sampled_from([-1, 1]),
)
def test_tolerance_boundary(expected, rtol, atol, sign):
    allowed = atol + rtol * abs(expected)
    quiet_check(expected + sign * allowed * 0.999, expected, rtol=rtol, atol=atol)
    with pytest.raises(AssertionError):
        quiet_check(expected + sign * allowed * 1.001, expected, rtol=rtol, atol=atol)


def test_tolerance_is_relative_to_expected():
    quiet_check(0.0, 1.0, rtol=1.0, atol=0)
    with pytest.raises(AssertionError):
        quiet_check(1.0, 0.0, rtol=1.0, atol=0)


@given(st.integers(-(2**62), 2**62))
def test_integers_are_compared_exactly(value):
    quiet_check(value, value)
    with pytest.raises(AssertionError):
        quiet_check(np.int64(value + 1), np.int64(value), rtol=1, atol=1)


def test_dtypes_may_differ():
    quiet_check(np.float32(0.1), 0.1)
    quiet_check(np.array([True, False]), np.array([1, 0]))
    quiet_check(np.array(["a", "b"]), ["a", "b"])
    quiet_check(1 + 2j, np.complex64(1 + 2j))


def test_values_of_ml_dtypes_are_compared():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.array([0.5, 2.0], ml_dtypes.bfloat16)
    quiet_check(values, [0.5, 2.0])
    with pytest.raises(AssertionError, match="1 of 2"):
        quiet_check(values, [0.5, 2.5])
    rounded = np.array([0.5, 2.015625], ml_dtypes.bfloat16)
    quiet_check(values, rounded, rtol=0.01)
    with pytest.raises(AssertionError, match="1 of 2"):
        quiet_check(values, rounded, rtol=0.001)


def test_nan_equals_nothing():
    for actual, expected in ((math.nan, math.nan), (math.nan, 1.0), (1.0, math.nan)):
        with pytest.raises(AssertionError, match=r"1 of 1 value differ"):
            quiet_check(actual, expected)


def test_infinity_equals_only_itself():
    quiet_check([math.inf, -math.inf], [math.inf, -math.inf])
    for actual, expected in ((math.inf, -math.inf), (1.0, math.inf), (math.inf, 1.0)):
        with pytest.raises(AssertionError):
            quiet_check(actual, expected)


def test_the_worst_place_is_the_one_farthest_away():
    with pytest.raises(AssertionError, match=r"2 of 3 values differ .*worst at \[2\]: actual 9"):
        quiet_check([1.0, 2.5, 9.0], np.array([1.0, 2.0, 3.0]))
    with pytest.raises(AssertionError, match=r"worst at \[0\]: actual nan"):
        quiet_check(np.array([math.nan, 1e9]), np.zeros(2))


@pytest.mark.parametrize("other", [np.zeros((3, 1)), np.zeros(1), 0.0, np.zeros((1, 3, 1))])
def test_shapes_are_not_broadcast(other):
    with pytest.raises(AssertionError, match="shapes differ: actual "):
        quiet_check(np.zeros(3), other)


def test_nested_structures():
    actual = {"kernel": np.ones((2, 2)), "states": [np.zeros(3), (np.ones(1), 2.0)]}
    assert quiet_check(actual, actual).startswith("equal: 9 values")
    other = {"kernel": np.ones((2, 2)), "states": [np.zeros(3), (np.full(1, 5.0), 2.0)]}
    with pytest.raises(AssertionError, match=r"at \['states'\]\[1\]\[0\]\[0\]: actual 1.0"):
        quiet_check(actual, other)


@pytest.mark.parametrize(
    ("actual", "expected", "message"),
    [
        ([1, 2], [1], "actual has 2 entries, expected 1"),
        ({"a": 1}, {"b": 1}, r"actual keys \['a'\], expected \['b'\]"),
        ({"a": 1}, [1], "actual dict, expected list"),
        ({"a": [1]}, {"a": {"b": 1}}, r"at \['a'\]: actual list, expected dict"),
        ({"a": np.ones(2)}, {"a": np.ones(3)}, r"shapes differ at \['a'\]"),
    ],
)
def test_other_structures_fail(actual, expected, message):
    with pytest.raises(AssertionError, match=message):
        quiet_check(actual, expected)


@pytest.mark.parametrize("empty", [[], {}, np.zeros((0, 3)), [np.zeros(0)]])
def test_comparing_nothing_is_an_error(empty):
    with pytest.raises(ValueError, match="must compare something"):
        quiet_check(empty, empty)


def test_what_is_no_array_is_named():
    with pytest.raises(ValueError, match=r"expected: expected an array of numbers, got list"):
        quiet_check(np.zeros(2), [[1], [1, 2]])
    with pytest.raises(ValueError, match="actual: expected an array of numbers, got None"):
        quiet_check(None, 1.0)


@pytest.mark.parametrize("name", ["rtol", "atol"])
@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_bad_tolerance(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected a number >= 0, got {value}"):
        quiet_check(1, 1, **{name: value})
