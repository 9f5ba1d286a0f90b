"""`make page`: a page of each kind that can be filled in, listed in the contents."""

import re
import shutil

import pytest
import yaml

from knotes.pipeline import contract, notebooks, scaffold
from knotes.pipeline.book import Book, PageError
from tests.conftest import ROOT
from tests.test_contract import DRAWN
from tests.test_contract import page as stored

CONTENTS = """\
root: book/index
parts:
  - caption: Layers
    chapters:
      - file: book/layers/dense  # the model page
      - file: book/layers/lstm
  - caption: Losses
    chapters:
      - file: book/losses/cross-entropy
"""


@pytest.fixture
def root(tmp_path):
    """The root of a book of its own."""
    (tmp_path / "_toc.yml").write_text(CONTENTS)
    return tmp_path


# Where a page of each kind goes, and a symbol that Keras has there.
PLACES = {
    "layer": ("layers/gru", "keras.layers.GRU"),
    "loss": ("losses/huber", "keras.losses.Huber"),
    "metric": ("metrics/mean-io-u", "keras.metrics.MeanIoU"),
    "activation": ("activations/relu", "keras.activations.relu"),
    "initializer": ("initializers/orthogonal", "keras.initializers.Orthogonal"),
    "regularizer": ("regularizers/l1", "keras.regularizers.L1"),
    "constraint": ("constraints/max-norm", "keras.constraints.MaxNorm"),
    "optimizer": ("optimizers/adam", "keras.optimizers.Adam"),
    "callback": ("training/early-stopping", "keras.callbacks.EarlyStopping"),
    "guide": ("models/foo-bar", "foo-bar"),
}


# What a page keeps before anything is filled in, and without a run.
KEPT = [
    rule
    for rule in contract.RULES
    if rule.__name__
    in ("structure", "in_short", "rhythm", "old_notes", "helpers", "alone", "in_contents")
]


@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_every_kind_gives_a_readable_page(root, kind):
    name, label = PLACES[kind]
    page = scaffold.scaffold(Book(root), f"book/{name}", kind)
    text = notebooks.read_text(page)
    assert f"\n({label})=\n" in page.read_text()
    assert "$" not in page.read_text().replace("$$", "")
    view = contract.Page(page, Book(root))
    for rule in KEPT:
        assert list(rule(view)) == []
    assert len(view.phrases) >= 5
    assert "TODO" in page.read_text()
    for cell in notebooks.code_cells(text):
        compile(cell.source, "cell", "exec")


@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_a_filled_page_keeps_the_contract(root, kind):
    name, label = PLACES[kind]
    path = scaffold.scaffold(Book(root), f"book/{name}", kind)
    more = "".join(f"```{{code-cell}}\n{n}\n```\n\nRead it.\n\n" for n in range(3))
    text = path.read_text().replace("TODO", "Words").replace("## Exercises", f"{more}## Exercises")
    path.write_text(text)
    shutil.copytree(ROOT / "api", root / "api")
    view = stored(path, DRAWN)
    view.code[1].metadata["knotes"] = {"calls": [label]}
    assert [fault for rule in contract.RULES for fault in rule(view)] == [
        f"cell {n}: figure without alt text (mystnb: image: alt: five words or more)"
        for n in range(1, len(view.code) + 1)
        if n != 3
    ]


def test_every_kind_has_its_part_in_the_contents(root):
    written = CONTENTS
    for kind, (name, _) in PLACES.items():
        scaffold.scaffold(Book(root), f"book/{name}", kind)
        new = (root / "_toc.yml").read_text()
        assert set(written.splitlines()) < set(new.splitlines())
        written = new
    parts = yaml.safe_load(written)["parts"]
    captions = [part["caption"] for part in parts]
    assert captions == [part for part in scaffold.PARTS if part in captions]
    files = {part["caption"].lower(): [c["file"] for c in part["chapters"]] for part in parts}
    for name, _ in PLACES.values():
        assert f"book/{name}" in files[name.split("/")[0]]


def test_the_order_of_the_parts_that_are_there_stays(root):
    swapped = "".join(reversed(re.split(r"(?=  - caption)", CONTENTS.split("parts:\n")[1])))
    (root / "_toc.yml").write_text("parts:\n" + swapped)
    scaffold.scaffold(Book(root), "book/metrics/mean", "metric")
    parts = yaml.safe_load((root / "_toc.yml").read_text())["parts"]
    assert [part["caption"] for part in parts] == ["Losses", "Metrics", "Layers"]


def test_the_symbol_is_found_by_the_name_of_the_page(root):
    page = scaffold.scaffold(Book(root), "book/layers/batch-normalization", "layer")
    text = page.read_text()
    assert "(keras.layers.BatchNormalization)=\n# BatchNormalization\n" in text
    assert "knotes.signature(keras.layers.BatchNormalization)" in text


def test_the_page_is_listed_at_the_end_of_its_part_and_nothing_else_changes(root):
    scaffold.scaffold(Book(root), "book/layers/gru", "layer")
    expected = CONTENTS.replace(
        "      - file: book/layers/lstm\n",
        "      - file: book/layers/lstm\n      - file: book/layers/gru\n",
    )
    assert (root / "_toc.yml").read_text() == expected


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("layers/foo", "layer", "NAME='layers/foo': expected book/<part>/<page>"),
        ("book/layers/Foo", "layer", "in lower case"),
        ("book/layers/../foo", "layer", "expected book/<part>/<page>"),
        ("book/layers/foo", "lair", "KIND='lair': expected one of layer, loss"),
        ("book/lairs/foo", "layer", "no part of the book; expected one of book/start"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(root, name, kind, message):
    with pytest.raises(PageError, match=message.replace("(", r"\(")):
        scaffold.scaffold(Book(root), name, kind)
    assert (root / "_toc.yml").read_text() == CONTENTS
    assert not (root / "book").exists()


def test_an_existing_page_is_left_alone(root, capsys, monkeypatch):
    monkeypatch.chdir(root)
    page = scaffold.scaffold(Book(root), "book/layers/foo", "layer")
    page.write_text("mine")
    assert scaffold.main(["book/layers/foo", "layer"]) == 1
    assert "the page exists" in capsys.readouterr().err
    assert page.read_text() == "mine"
    shutil.rmtree(root / "book")
    assert scaffold.main([]) == 1
    assert scaffold.main(["book/layers/foo", "layer"]) == 0
    assert "fill in each TODO" in capsys.readouterr().out
