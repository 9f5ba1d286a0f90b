"""An API of four symbols, and the notes of a page that uses it, for the tests of `api`."""

from knotes.pipeline import notebooks
from knotes.pipeline.api import notes
from knotes.pipeline.api.symbols import Symbol

DENSE = Symbol(
    "keras.layers.Dense", "class", "keras.layers", {"units": "required", "use_bias": "True"},
    aliases=("keras.layers.D",), inherited={"name": "keras.Layer"}, attributes=("kernel",),
    bases=("keras.Layer",),
)  # fmt: skip
LAYER = Symbol("keras.Layer", "class", "keras", {"name": "None"})
RELU = Symbol("keras.activations.relu", "function", "keras.activations", {"x": "required"})
ABS = Symbol("keras.ops.abs", "function", "keras.ops", {"x": "required"}, apart="a subject")
SYMBOLS = {symbol.name: symbol for symbol in (DENSE, LAYER, RELU, ABS)}
NOTES = {
    "book/layers/dense": [
        {},
        {"calls": ["keras.layers.Dense(name, units)"], "named": ["keras.activations.relu"]},
        {"knotes": ["keras.layers.Dense(use_bias)"], "raised": ["keras.layers.Dense"]},
    ]
}
#: The note of a cell.
NOTE = {"calls": ["keras.layers.Dense(units)"]}


def stored_page(write_page, note, name="sample"):
    """A text page and a stored notebook whose one cell has a note; returns the path of the text."""
    path = write_page("1 + 1", name=name)
    notebook = notebooks.read_text(path)
    notes.store(notebook, [("1 + 1", note)])
    made = notebooks.normalize(notebook, notebooks.digest(path))
    notebooks.write(made, path.with_suffix(".ipynb"))
    return path
