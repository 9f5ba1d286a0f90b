"""`make page`: a page of each kind that can be filled in, listed in the contents."""

import shutil

import pytest

from knotes.pipeline import contract, notebooks, scaffold
from knotes.pipeline.notebooks import PageError

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
def root(tmp_path, monkeypatch):
    """A book of its own, so that the real one is not written to."""
    (tmp_path / "_toc.yml").write_text(CONTENTS)
    for module in (scaffold, notebooks):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_every_kind_gives_a_readable_page(root, kind, monkeypatch):
    part = "losses" if kind == "guide" else "layers"
    monkeypatch.setattr(contract, "API_PARTS", {"layers"})
    page = scaffold.scaffold(f"book/{part}/foo-bar", kind)
    text = notebooks.read_text(page)
    assert "$" not in page.read_text().replace("$$", "")
    told = list(contract.structure(contract.Page(page)))
    assert told == []
    assert "TODO" in page.read_text()
    for cell in notebooks.code_cells(text):
        compile(cell.source, "cell", "exec")


def test_the_symbol_is_found_by_the_name_of_the_page(root):
    page = scaffold.scaffold("book/layers/batch-normalization", "layer")
    text = page.read_text()
    assert "(keras.layers.BatchNormalization)=\n# BatchNormalization\n" in text
    assert "knotes.signature(keras.layers.BatchNormalization)" in text


def test_the_page_is_listed_at_the_end_of_its_part_and_nothing_else_changes(root):
    scaffold.scaffold("book/layers/gru", "layer")
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
        ("book/lairs/foo", "layer", "expected one of book/layers, book/losses"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(root, name, kind, message):
    with pytest.raises(PageError, match=message.replace("(", r"\(")):
        scaffold.scaffold(name, kind)
    assert (root / "_toc.yml").read_text() == CONTENTS
    assert not (root / "book").exists()


def test_an_existing_page_is_left_alone(root, capsys):
    page = scaffold.scaffold("book/layers/foo", "layer")
    page.write_text("mine")
    assert scaffold.main(["book/layers/foo", "layer"]) == 1
    assert "the page exists" in capsys.readouterr().err
    assert page.read_text() == "mine"
    shutil.rmtree(root / "book")
    assert scaffold.main([]) == 1
    assert scaffold.main(["book/layers/foo", "layer"]) == 0
    assert "fill in each TODO" in capsys.readouterr().out
