"""Helpers of the pages of this book.

`import knotes` is cheap: nothing is loaded until a name is used (PEP 562), so `knotes.setup()`
can set the environment before TensorFlow is imported. The subpackage `knotes.pipeline` records
and verifies the pages; no page imports it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knotes.checks import check
    from knotes.effects import arguments
    from knotes.environment import setup
    from knotes.errors import outcome
    from knotes.figures import curves, figure, histograms, images
    from knotes.tables import Table, shapes, signature, table, weights
    from knotes.tracer import trace

__all__ = [
    "Table",
    "arguments",
    "check",
    "curves",
    "figure",
    "histograms",
    "images",
    "outcome",
    "setup",
    "shapes",
    "signature",
    "table",
    "trace",
    "weights",
]

_HOMES = {
    "Table": "tables",
    "arguments": "effects",
    "check": "checks",
    "curves": "figures",
    "figure": "figures",
    "histograms": "figures",
    "images": "figures",
    "outcome": "errors",
    "setup": "environment",
    "shapes": "tables",
    "signature": "tables",
    "table": "tables",
    "trace": "tracer",
    "weights": "tables",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'knotes' has no attribute {name!r}")
    value = getattr(import_module(f"knotes.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion in an editor or notebook."""
    return sorted(__all__)
