"""Verification records: written whole, read strictly, valid only for the same bytes."""

import json

import pytest

from knotes.pipeline import verification
from knotes.pipeline.verification import Record

ENVIRONMENT = {"device": "CPU", "keras": "3", "tensorflow": "2"}


def record(path, **changes):
    digest = verification.notebooks.digest(path)
    entry = {"sha256": digest, "cells": 3, "opt_outs": 0} | changes
    return Record("cpu", "2026-01-31", ENVIRONMENT, {"book/part/sample": entry})


def test_a_record_holds_for_the_bytes_it_saw(tmp_path):
    page = tmp_path / "sample.ipynb"
    page.write_text("{}")
    written = record(page)
    assert verification.read(written.write(tmp_path)) == written
    assert written.matches("book/part/sample", page)
    assert not written.matches("book/part/other", page)
    page.write_text("{ }")
    assert not written.matches("book/part/sample", page)


def test_a_malformed_record_is_named(tmp_path):
    page = tmp_path / "sample.ipynb"
    page.write_text("{}")
    target = record(page).write(tmp_path)
    good = json.loads(target.read_text())
    bad = [
        "{",
        json.dumps(good | {"extra": 1}),
        json.dumps({k: v for k, v in good.items() if k != "environment"}),
        json.dumps(good | {"pages": {"book/part/sample": {"cells": 3}}}),
        json.dumps(good | {"pages": {"p": {"sha256": "0", "cells": 3, "opt_outs": 0}}}),
        json.dumps(good | {"pages": {"p": {"sha256": "0" * 64, "cells": 1, "opt_outs": 2}}}),
    ]
    for text in bad:
        target.write_text(text)
        with pytest.raises(ValueError, match=r"cpu\.json: not a verification record"):
            verification.read(target)


def test_no_folder_means_no_records(tmp_path):
    assert verification.read_all(tmp_path / "none") == []
