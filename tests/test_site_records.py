"""What a page says of its verification, and what is refused in a record."""

import json

import pytest

from knotes.pipeline import verification
from knotes.pipeline.book import Book
from knotes.pipeline.site import records

PAGE = "book/layers/dense"
VERSIONS = {"device": "CPU", "keras": "3.15.1", "tensorflow": "2.21.0", "python": "3.11.7"}
NOTEBOOK = records.Notebook("a" * 64, 31)


@pytest.fixture
def record(tmp_path):
    """Write the record of a page with some keys changed; returns all records."""

    def write(name="cpu", **changes):
        data = {"sha256": "a" * 64, "cells": 31, "opt_outs": 1, "environment": VERSIONS}
        data |= {"agreed": {"pinned": "2026-11-21", "noise": "2026-11-22"}} | changes
        path = verification.path_of(Book(tmp_path), name, PAGE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
        return verification.load(Book(tmp_path))

    return write


def test_a_record_that_matches_speaks_for_its_page(record):
    stored = record()
    assert records.summary(PAGE, NOTEBOOK, stored) == (
        "30 of 31 cells verified · Keras 3.15.1 · TensorFlow 2.21.0 · CPU · "
        "agreed in 2 rounding environments"
    )
    assert records.summary(PAGE, records.Notebook("b" * 64, 31), stored) is None
    assert records.summary("book/layers/lstm", NOTEBOOK, stored) is None
    with pytest.raises(verification.RecordError, match="cells: expected 30, the code cells"):
        records.summary(PAGE, records.Notebook("a" * 64, 30), stored)


def test_the_devices_of_all_matching_records_are_named(record):
    record()
    stored = record("gpu", environment=VERSIONS | {"device": "H100"})
    assert records.summary(PAGE, NOTEBOOK, stored).endswith(
        "· CPU, H100 · agreed in 2 rounding environments"
    )


def test_the_report_says_on_what_pages_were_verified(record):
    (stored,) = record()
    (page,) = stored.pages.values()
    other = verification.PageRecord("b" * 64, 3, 0, page.environment, {"pinned": "2026-12-01"})
    both = verification.Record("cpu", {PAGE: page, "book/layers/lstm": other})
    assert list(records.runs(both)) == [
        "<strong>cpu</strong>, 2026-12-01: device CPU, keras 3.15.1, tensorflow 2.21.0, "
        "python 3.11.7; roundings pinned"
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"environment": {"device": "CPU"}}, "environment: expected strings, with device, keras"),
        ({"extra": 1}, "record: expected the keys agreed, cells"),
        ({"sha256": "x"}, "sha256: expected 64 hexadecimal digits, got 'x'"),
        ({"cells": 0}, "cells: expected an integer of at least 1, got 0"),
        ({"opt_outs": 32}, "opt_outs: expected an integer from 0 to 31"),
        ({"agreed": {}}, "agreed: expected a day for some of"),
        ({"agreed": {"storm": "2026-11-21"}}, "agreed: expected a day for some of"),
        ({"agreed": {"pinned": "yesterday"}}, "agreed: pinned: expected a day such as"),
    ],
)
def test_a_malformed_record_is_an_error_that_says_what_was_expected(record, changes, words):
    with pytest.raises(verification.RecordError) as error:
        record(**changes)
    assert f"cpu/layers/dense.json: {words}" in str(error.value)


def test_a_record_that_is_not_json_is_an_error(record, tmp_path):
    record()
    verification.path_of(Book(tmp_path), "cpu", PAGE).write_text("{")
    with pytest.raises(verification.RecordError, match="record: expected JSON"):
        verification.load(Book(tmp_path))
    assert verification.load(Book(tmp_path / "none")) == []
