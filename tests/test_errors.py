"""`knotes.outcome`: the value of a call, or its error in one line."""

import pytest

import knotes
from knotes.errors import first_line


def test_outcome_is_the_value_of_the_call():
    assert knotes.outcome(divmod, 7, 2) == (3, 1)
    assert knotes.outcome(sorted, [1, 2], reverse=True) == [2, 1]


def test_outcome_is_the_error_in_one_line():
    assert knotes.outcome(int, "x") == "ValueError: invalid literal for int() with base 10: 'x'"
    assert knotes.outcome({}.popitem) == "KeyError: 'popitem(): dictionary is empty'"
    assert knotes.outcome(next, iter([])) == "StopIteration"


def test_outcome_lets_an_interrupt_pass():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        knotes.outcome(interrupted)


def test_outcome_wants_something_to_call():
    with pytest.raises(TypeError, match="call: expected a function, got int"):
        knotes.outcome(3)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "Exception encountered when calling A.call().\n\n\x1b[1mBad rank. Use 2.\x1b[0m",
            "Bad rank",
        ),
        ("One line.", "One line"),
        ("Version 1.5 of it", "Version 1.5 of it"),
        ("Give one, e.g. this. It is used.", "Give one, e.g. this"),
        ("Got [1. 2.]. Use 2", "Got [1. 2.]"),
        ("No layer 1. Layers are 0.", "No layer 1"),
        ("", ""),
        ("x" * 130, "x" * 119 + "…"),
    ],
)
def test_first_line(message, text):
    assert first_line(ValueError(message)) == text
