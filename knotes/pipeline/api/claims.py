"""What pages claim to teach: the labels of the API, and whether cells keep the promise."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from knotes.pipeline.api.coverage import Coverage

LABEL = re.compile(r"^\((keras\.[\w.]+)\)=\s*$", re.MULTILINE)


def labels_of(notebook: Any) -> list[str]:
    """The names of the API that the labels of a page claim, ``(keras.layers.Dense)=``, in order."""
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    return LABEL.findall(text)


def unknown(labels: Iterable[str], names: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """A message for each label that is the name of nothing in the API."""
    for label in labels:
        if label not in names:
            close = difflib.get_close_matches(label, names, 1)
            hint = f"; is it {close[0]}?" if close else ""
            yield f"label ({label})=: Keras has no such symbol, parameter or attribute{hint}"


def unproven(
    labels: Iterable[str], names: Mapping[str, tuple[str, str]], coverage: Coverage
) -> Iterator[str]:
    """A message for each label whose symbol or parameter no cell of the page exercises.

    `coverage` is that of the page alone. A base class may be subclassed instead. A parameter may
    be exercised in any symbol: pages stack the labels of a family, functions beside classes.
    """
    parameters = {parameter for _, parameter in coverage.pairs}
    for label in labels:
        name, below = names.get(label, ("", ""))
        symbol = coverage.symbols.get(name)
        if symbol is None or below in (*symbol.attributes, *parameters):
            continue
        if coverage.state(name) not in ("exercised", "subclassed") or below in symbol.parameters:
            yield f"label ({label})=: no cell of the page exercises it"
