"""What a run records of the pages it compared."""

import json
from types import SimpleNamespace

import nbformat
import pytest

from knotes.pipeline import notebooks, verification
from knotes.pipeline.book import PageError
from knotes.pipeline.verification import PageRecord, RecordError

ENVIRONMENT = {"device": "CPU", "keras": "3.15.1", "tensorflow": "2.21.0"}
GOOD = {
    "sha256": "0" * 64, "cells": 2, "opt_outs": 0, "environment": ENVIRONMENT,
    "agreed": {"pinned": "2026-12-01"},
}  # fmt: skip


def test_what_is_written_is_read(book):
    record = PageRecord(**GOOD | {"agreed": {"pinned": "2026-12-01", "noise": "2026-12-02"}})
    target = verification.path_of(book, "cpu", "book/part/a")
    verification.write(record, target)
    (found,) = verification.load(book)
    assert (found.name, dict(found.pages)) == ("cpu", {"book/part/a": record})
    assert record.date == "2026-12-02"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "x"}, "sha256: expected 64 hexadecimal digits, got 'x'"),
        ({"cells": 0}, "cells: expected an integer of at least 1, got 0"),
        ({"cells": True}, "cells: expected an integer of at least 1, got True"),
        ({"opt_outs": 3}, "opt_outs: expected an integer from 0 to 2, the number of cells, got 3"),
        ({"environment": {"device": "CPU"}}, "environment: expected strings, with device, keras"),
        ({"agreed": {}}, "agreed: expected a day for some of"),
        ({"agreed": {"rain": "2026-12-01"}}, "agreed: expected a day for some of"),
        ({"agreed": {"pinned": "today"}}, "agreed: pinned: expected a day such as"),
        ({"more": 1}, "record: expected the keys agreed, cells"),
    ],
)
def test_a_malformed_record_is_named(book, change, message):
    path = verification.path_of(book, "cpu", "book/part/a")
    notebooks.write_atomically(path, json.dumps(GOOD | change))
    with pytest.raises(RecordError, match=message) as raised:
        verification.load(book)
    assert str(raised.value).startswith("cpu/part/a.json: ")


def test_what_is_no_json_is_named(book):
    notebooks.write_atomically(verification.path_of(book, "cpu", "book/part/a"), "{")
    with pytest.raises(RecordError, match="record: expected JSON"):
        verification.load(book)


@pytest.mark.parametrize("name", ["", "../up", "GPU", "a b"])
def test_a_bad_name_of_a_record_is_refused(book, name):
    with pytest.raises(PageError, match="expected lower-case letters"):
        verification.Recorder(book, name, "pinned")


@pytest.fixture
def run(book, monkeypatch):
    """Report a run over pages that passed and pages that did not; returns the record's pages."""
    monkeypatch.setattr(verification, "environment", lambda: ENVIRONMENT)

    def reported(*passed, failed=(), weather="pinned", meanwhile=lambda path: None):
        recorder = verification.Recorder(book, "cpu", weather)
        for page in (*passed, *failed):
            path = book.folder / "part" / f"{page}.ipynb"
            if not path.exists():
                cells = [nbformat.v4.new_code_cell("1", id="a")]
                nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
            digest = notebooks.digest(path)
            for item in ("in step", "code cell 1", "uses"):
                good = item != "code cell 1" or page in passed
                recorder.pytest_runtest_logreport(
                    SimpleNamespace(
                        nodeid=f"book/part/{page}.ipynb::{item}", when="call", passed=good,
                        failed=not good, user_properties=[("sha256", digest)],
                    )
                )  # fmt: skip
            meanwhile(path)
        recorder.pytest_sessionfinish()
        found = verification.load(book)
        pages = found[0].pages if found else {}
        return {name.rpartition("/")[2]: sorted(page.agreed) for name, page in pages.items()}

    return reported


def test_a_run_records_the_pages_that_passed(run):
    assert run("a", failed=["b"]) == {"a": ["pinned"]}


def test_a_run_of_some_pages_leaves_the_record_of_the_others(run):
    run("a", "b")
    assert run("c") == {"a": ["pinned"], "b": ["pinned"], "c": ["pinned"]}
    assert run() == {"a": ["pinned"], "b": ["pinned"], "c": ["pinned"]}


def test_another_rounding_environment_adds_to_the_record(run):
    run("a", "b")
    assert run("a", weather="noise") == {"a": ["noise", "pinned"], "b": ["pinned"]}


def test_what_fails_is_taken_back(run):
    run("a", "b")
    run("a", weather="noise")
    assert run(failed=["a"], weather="noise") == {"a": ["pinned"], "b": ["pinned"]}
    assert run(failed=["a"]) == {"b": ["pinned"]}


def test_a_changed_page_or_machine_begins_anew(run, book, monkeypatch):
    run("a", "b")
    run("a", "b", weather="noise")
    (book.folder / "part" / "a.ipynb").write_text(
        nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("2")]))
    )
    assert run("a") == {"a": ["pinned"], "b": ["noise", "pinned"]}
    monkeypatch.setattr(verification, "environment", lambda: ENVIRONMENT | {"device": "GPU"})
    assert run("b", weather="threads") == {"a": ["pinned"], "b": ["threads"]}


def test_a_page_that_changes_while_it_is_compared_is_not_recorded(run, capsys):
    assert run("a", meanwhile=lambda path: path.write_text("{}")) == {}
    assert "a: not recorded: the notebook has changed" in capsys.readouterr().out
    assert run("b", meanwhile=lambda path: path.unlink()) == {}


def test_the_environment_names_device_and_versions():
    found = verification.environment()
    assert {"device", "python", "platform", "keras", "tensorflow", "numpy"} <= set(found)
