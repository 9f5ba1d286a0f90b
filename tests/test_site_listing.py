"""The index of the API and its coverage, written from a directory."""

import pytest
from bs4 import BeautifulSoup
from sphinx.errors import ConfigError

from knotes.pipeline.api.coverage import measure
from knotes.pipeline.api.inventory import Inventory
from knotes.pipeline.api.symbols import Symbol
from knotes.pipeline.site.directory import Directory, Target
from knotes.pipeline.site.listing import Writer

from .small_api import DENSE, NOTES, SYMBOLS

PAGE = "book/layers/dense"
ADAPT = Symbol(
    "keras.layers.Dense.adapt", "method", "methods of other classes", {"data": "required"},
    apart="counted with its class",
)  # fmt: skip
OWN = {"book/own": [{"subclassed": ["keras.Layer(build)"]}]}


@pytest.fixture
def directory():
    """The API of four symbols and a method, as a page of its own teaches and uses it."""
    symbols = SYMBOLS | {ADAPT.name: ADAPT}
    notes = NOTES | OWN | {"book/other": [{"calls": ["keras.layers.Dense(units)"]}]}
    titles = {PAGE: "Dense", "book/own": "<Own>", "book/other": "Other"}
    jobs = {DENSE.name: "Does `x @ w`."}
    return Directory(Inventory("3.15.1", symbols), jobs, measure(symbols, notes), titles)


def entries(directory, group):
    """What is written of each symbol of a group, and its links."""
    soup = BeautifulSoup(Writer(directory, "../{}.html".format).index(group), "html.parser")
    return {
        term["id"]: (
            f"{term.get_text()} | {term.find_next_sibling('dd').get_text()}",
            [a["href"] for a in term.find_next_sibling("dd")("a")],
        )
        for term in soup("dt")
    }


def test_an_entry_has_names_job_place_parameters_and_methods(directory):
    text, links = entries(directory, "keras.layers")[DENSE.name]
    assert text == (
        "keras.layers.Dense also keras.layers.D# | Does x @ w. "
        "Seen working in Dense, cell 2.units, use_biasadapt(data)"
    )
    cells = [f"../{PAGE}.html#cell-{number}" for number in (2, 2, 3)]
    assert links == cells


def test_the_page_that_teaches_comes_first(directory):
    directory.taught[DENSE.name, ""] = Target("book/other", "dense", "Other: a section")
    text, links = entries(directory, "keras.layers")[DENSE.name]
    assert "Taught in Other: a section." in text
    assert links[:2] == ["../book/other.html#dense", "../book/other.html#cell-1"]


def test_what_is_not_called_says_what_became_of_it(directory):
    layer = entries(directory, "keras")["keras.Layer"][0]
    assert "Only subclassed so far, in <Own>, cell 1." in layer
    relu = entries(directory, "keras.activations")["keras.activations.relu"][0]
    assert "Only given by name so far, in Dense, cell 2." in relu
    assert "Listed only: a subject." in entries(directory, "keras.ops")["keras.ops.abs"][0]


def test_what_no_page_shows_is_told(directory):
    nothing = Directory(directory.inventory, {}, measure(SYMBOLS, {}), {})
    text, links = entries(nothing, "keras.layers")[DENSE.name]
    assert "No page shows it yet." in text
    assert links == []
    missing = Writer(nothing, "{}.html".format).missing()
    assert 'href="book/reference/api.html#keras.layers.Dense"' in missing


def test_a_group_that_is_none_is_an_error_of_the_page(directory):
    with pytest.raises(ConfigError, match=r"of Keras, got 'keras\.none'"):
        Writer(directory, str).index("keras.none")


def test_a_name_in_code_leads_to_its_section_or_to_its_symbols_or_to_the_index(directory):
    key = (DENSE.name, "units")
    assert directory.entry(key) == Target("book/reference/api", DENSE.name, f"{DENSE.name}.units")
    directory.taught[DENSE.name, ""] = Target(PAGE, "dense", "Dense")
    assert directory.entry(key) == Target(PAGE, "dense", f"{DENSE.name}.units")
    directory.taught[key] = Target(PAGE, "units", "Dense: units")
    assert directory.entry(key).anchor == "units"
    assert directory.entry((DENSE.name, "")).text == f"{DENSE.name}: Does `x @ w`."
