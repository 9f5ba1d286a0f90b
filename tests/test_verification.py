"""A verification record comes back as it was written; malformed ones: test_site.py."""

from knotes.pipeline import verification
from knotes.pipeline.verification import PageRecord, Record

ENVIRONMENT = {"device": "CPU", "keras": "3.15.1", "tensorflow": "2.21.0"}
RECORD = Record("cpu", "2026-01-31", ENVIRONMENT, {"book/a/b": PageRecord("0" * 64, 3, 0)})


def test_what_is_written_is_read(tmp_path):
    path = RECORD.write(tmp_path)
    assert verification.read(path) == RECORD
    assert verification.load(tmp_path) == [RECORD]
    assert verification.load(tmp_path / "none") == []
