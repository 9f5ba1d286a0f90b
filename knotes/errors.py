"""What a call gives, or the error it raises, in one line."""

import re
from collections.abc import Callable
from typing import Any


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `call(*args, **kwargs)` returns or, if it raises, its error in one line of text.

    For tables that put calls that work beside calls that are refused. Of the error the type and
    the first sentence are told (`ValueError: Bad rank`), without color codes and without the
    heading that Keras adds, at most 120 signs. Only an `Exception` is caught: an interrupt passes.
    Raises TypeError when `call` is nothing that can be called.
    """
    if not callable(call):
        raise TypeError(f"call: expected a function, got {type(call).__name__}")
    try:
        return call(*args, **kwargs)
    except Exception as error:
        return in_one_line(error)


def in_one_line(error: BaseException) -> str:
    """The type of an error and the first sentence of its message, if there is one."""
    return f"{type(error).__name__}: {first_line(error)}".removesuffix(": ")


def first_line(error: BaseException) -> str:
    """The first sentence that says what is wrong, without color codes, of at most 120 signs."""
    lines = [line.strip() for line in re.sub(r"\x1b\[\d+m", "", str(error)).splitlines()]
    lines = [line for line in lines if line] or [""]
    # Keras puts its own heading above the message
    heading = lines[0].startswith("Exception encountered when calling") and len(lines) > 1
    # neither "e.g. " nor the "1. 2." of an array ends a sentence
    end = r"(?<!e\.g)(?<!i\.e)((?<!\d)\.\s|\.\s(?=[A-Z]))"
    sentence = re.split(end, lines[1] if heading else lines[0])[0].rstrip(".")
    return sentence if len(sentence) <= 120 else sentence[:119] + "…"
