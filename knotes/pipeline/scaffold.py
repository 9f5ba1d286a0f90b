"""Scaffold a page from the template of its kind and list it in the table of contents.

    python -m knotes.pipeline.scaffold book/layers/gru layer

The public symbol is looked up in the installed Keras by the name of the page (``gru`` finds
``keras.layers.GRU``); for a page about several symbols, give one and stack the others' labels.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template

from knotes.pipeline.book import CONTENTS, Book, PageError
from knotes.pipeline.notebooks import write_atomically

TEMPLATES = Path(__file__).with_name("templates")
ARRAY = 'x = np.arange(6.0, dtype="float32").reshape(2, 3)\n'
# For each kind: a question of "In short" that belongs to it, and the smallest call.
KINDS = {
    "layer": (
        "TODO which weights are there, of which shapes, and how many?",
        ARRAY + "layer = $symbol()  # TODO\nlayer(x)",
    ),
    "loss": (
        "TODO what is divided by what, and what does the function return?",
        "y, x = np.array([[0.0, 1.0]]), np.array([[0.25, 0.75]])\n$symbol()(y, x).numpy()",
    ),
    "metric": (
        "TODO what does it keep between batches, and what does `reset_state` do?",
        "x = np.array([1.0, 2.0])\nmetric = $symbol()\nmetric.update_state(x)\nmetric.result()",
    ),
    "activation": (
        "TODO which values come out, and which slope is there at zero?",
        "x = np.array([-2.0, 0.0, 2.0])\n$symbol(x)",
    ),
    "initializer": (
        "TODO which mean and variance, by fan_in and fan_out?",
        "x = (2, 3)\n$symbol(seed=0)(x)",
    ),
    "regularizer": (
        "TODO what is added to the loss, and when?",
        ARRAY + "$symbol()(x)",
    ),
    "constraint": (
        "TODO which weights are allowed, and when are they moved there?",
        ARRAY + "$symbol()(x)",
    ),
    "optimizer": (
        "TODO what is kept for each weight, and how is it moved?",
        "x = np.array([1.0])\n$symbol().get_config()",
    ),
    "callback": (
        "TODO at which moments does it act, and on what?",
        "x = np.array([1.0])\n$symbol()",
    ),
    "guide": ("", "x = np.arange(6.0).reshape(2, 3)\nx.sum(axis=1)  # TODO"),
}
# The order in which a part that is not in the contents yet is put there.
PARTS = (
    "Start",
    "Training",
    "Layers",
    "Losses",
    "Metrics",
    "Activations",
    "Initializers",
    "Regularizers",
    "Constraints",
    "Optimizers",
    "Lifecycle",
    "Models",
    "TensorFlow",
    "Old notes",
    "Reference",
)
GRADIENT = frozenset({"layer", "loss", "activation"})
EXERCISE = """\
:::{exercise} TODO $verb
:label: $slug-exercise-$kind

TODO the question.
:::

:::{solution-start} $slug-exercise-$kind
:class: dropdown
:::

TODO the reason.

```{code-cell} ipython3
assert True  # TODO
```

:::{solution-end}
:::

"""


def symbol_of(page: Path, kind: str) -> str | None:
    """Public symbol of the installed Keras that a page is named after, or None."""
    wanted = re.sub(r"[^a-z0-9]", "", page.stem.lower())
    # Callbacks have no part of their own: they are taught with training.
    name = "keras.callbacks" if kind == "callback" else f"keras.{page.parent.name}"
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    names = [n for n in dir(module) if n.lower().replace("_", "") == wanted]
    # A class before the function of the same letters: Softmax before softmax.
    return f"{name}.{sorted(names)[0]}" if names else None


def page_text(page: Path, kind: str, symbol: str | None) -> str:
    """The text of a new page of one of `KINDS`."""
    question, smallest = KINDS[kind]
    title = symbol.rpartition(".")[2] if symbol else page.stem.replace("-", " ").capitalize()
    label = symbol or page.stem
    verbs = {"predict": "Predict …", "repair": "Repair …", "build": "Build …"}
    exercises = "".join(
        Template(EXERCISE).substitute(verb=verb, kind=name, slug=page.stem)
        for name, verb in verbs.items()
    )
    gradient = "## Gradient\n\nTODO at ordinary, saturated and kink points.\n\n"
    template = TEMPLATES / ("guide.md" if kind == "guide" else "api.md")
    return Template(template.read_text("utf8")).substitute(
        symbol=label,
        slug=page.stem,
        title=title,
        question=question,
        smallest=Template(smallest).substitute(symbol=label),
        gradient=gradient if kind in GRADIENT else "",
        exercises=exercises,
    )


def listed(contents: str, name: str) -> str:
    """The table of contents (its text) with a page, ``book/<part>/<page>``, added to its part.

    A part that is not there is added after the one that goes before it in `PARTS`.
    """
    part, lines = name.split("/")[1], contents.splitlines()
    mine = _lines_of(lines, part)
    if mine:
        indent = lines[mine[-1]].split("- file")[0]
        new = [f"{indent}- file: {name}"]
    else:
        folders = {caption.lower().replace(" ", "-"): caption for caption in PARTS}
        if part not in folders:
            known = ", ".join(f"book/{folder}" for folder in folders)
            raise PageError(f"NAME={name}: no part of the book; expected one of {known}")
        before = list(folders)[: list(folders).index(part)]
        mine = next(filter(None, (_lines_of(lines, folder) for folder in reversed(before))), [])
        caption = f"  - caption: {folders[part]}"
        new = [caption, "    chapters:", f"      - file: {name}"]
    place = mine[-1] if mine else lines.index("parts:")
    lines[place + 1 : place + 1] = new
    return "\n".join(lines) + "\n"


def _lines_of(lines: Sequence[str], folder: str) -> list[int]:
    """Where the pages of a folder stand in the table of contents."""
    return [i for i, line in enumerate(lines) if f"file: book/{folder}/" in line]


def scaffold(book: Book, name: str, kind: str) -> Path:
    """Write a new page of a book and list it; returns its path.

    Raises `PageError` naming the argument for a name that is not ``book/<part>/<page>``, an
    unknown kind, a part that the book does not have, or a page that exists.
    """
    page = book.page(name.removesuffix(".md"))
    if not re.fullmatch(r"book/[a-z-]+/[a-z0-9-]+(\.md)?", name):
        raise PageError(f"NAME={name!r}: expected book/<part>/<page> in lower case, with dashes")
    if kind not in KINDS:
        raise PageError(f"KIND={kind!r}: expected one of {', '.join(KINDS)}")
    if page.exists():
        raise PageError(f"NAME={name}: the page exists")
    contents = book.root / CONTENTS
    entry = listed(contents.read_text("utf8"), book.name_of(page))
    symbol = None if kind == "guide" else symbol_of(page, kind)
    write_atomically(page, page_text(page, kind, symbol))
    write_atomically(contents, entry)
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 1 for a bad argument."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        name, kind = given if len(given) == 2 else ["", ""]
        book = Book.find()
        page = book.name_of(scaffold(book, name, kind))
    except PageError as error:
        print(error, "Use: make page NAME=book/layers/foo KIND=layer", sep="\n", file=sys.stderr)
        return 1
    print(f"{page}.md: fill in each TODO, then `make outputs PAGES={page}.md`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
