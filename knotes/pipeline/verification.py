"""Records of verification: which pages were compared, cell by cell, on what, in which roundings.

``verification/NAME/<part>/<page>.json`` is written for each page that passed by
``pytest --nbval book/ --verification-record NAME`` and committed:

    {"sha256": "…", "cells": 31, "opt_outs": 0,
     "environment": {"device": "CPU", "keras": "3.15.1", "tensorflow": "2.21.0", "python": …},
     "agreed": {"pinned": "2026-12-01", "noise": "2026-12-01"}}

`agreed` are the rounding environments in which every output agreed, each with the day. A record
speaks for a page only while the bytes of the page's ``.ipynb`` are the verified ones. A run of some
pages touches the records of these alone.
"""

from __future__ import annotations

import datetime
import json
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knotes.pipeline import contract, notebooks
from knotes.pipeline.book import Book, PageError
from knotes.pipeline.weather import PINNED, WEATHERS

if TYPE_CHECKING:
    import pytest

FOLDER = "verification"
#: What is told of an environment, in the order in which it is told.
VERSIONS = {"keras": "Keras", "tensorflow": "TensorFlow"}


class RecordError(Exception):
    """A record that is not of the form described above; names file, key, what was expected."""


@dataclass(frozen=True)
class PageRecord:
    """What was verified of one page.

    `opt_outs` of the `cells` code cells were run without comparing (or not run).
    """

    sha256: str
    cells: int
    opt_outs: int
    environment: Mapping[str, str]
    agreed: Mapping[str, str]

    @property
    def date(self) -> str:
        """The day of the last comparison."""
        return max(self.agreed.values())


@dataclass(frozen=True)
class Record:
    """The pages verified on one kind of machine, by their names."""

    name: str
    pages: Mapping[str, PageRecord]


def path_of(book: Book, name: str, page: str) -> Path:
    """Where the record of a page (``book/layers/dense``) is."""
    return book.root / FOLDER / name / Path(page).relative_to("book").with_suffix(".json")


def load(book: Book) -> list[Record]:
    """All records of a book, by name.

    Raises `RecordError` for one that is not of the form described above.
    """
    found = []
    for folder in sorted((book.root / FOLDER).glob("*/")):
        pages = {}
        for path in sorted(folder.rglob("*.json")):
            page = "book" / path.relative_to(folder).with_suffix("")
            pages[page.as_posix()] = read(path)
        found.append(Record(folder.name, pages))
    return found


def read(path: Path) -> PageRecord:
    """Read the record of one page.

    Raises `RecordError` naming file, key, what was expected and what is there.
    """

    def fail(key: str, expected: str, got: object) -> RecordError:
        name = path.relative_to(path.parents[2]).as_posix()
        return RecordError(f"{name}: {key}: expected {expected}, got {got!r}")

    def integer(key: str, low: int, high: float, meaning: str) -> int:
        value = data[key]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise fail(key, meaning, value)
        return value

    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise fail("record", "JSON", str(error)) from error
    keys = {"sha256", "cells", "opt_outs", "environment", "agreed"}
    if not isinstance(data, dict) or set(data) != keys:
        got = sorted(data) if isinstance(data, dict) else type(data).__name__
        raise fail("record", f"the keys {', '.join(sorted(keys))}", got)
    if not re.fullmatch("[0-9a-f]{64}", str(data["sha256"])):
        raise fail("sha256", "64 hexadecimal digits", data["sha256"])
    cells = integer("cells", 1, float("inf"), "an integer of at least 1")
    opt_outs = integer("opt_outs", 0, cells, f"an integer from 0 to {cells}, the number of cells")
    environment, needed = data["environment"], {"device", *VERSIONS}
    if not _strings(environment) or not needed <= set(environment):
        raise fail("environment", f"strings, with {', '.join(sorted(needed))}", environment)
    agreed, known = data["agreed"], {PINNED.name, *WEATHERS}
    if not _strings(agreed) or not agreed or not set(agreed) <= known:
        raise fail("agreed", f"a day for some of {', '.join(sorted(known))}", agreed)
    for name, day in agreed.items():
        try:
            datetime.date.fromisoformat(day)
        except ValueError as error:
            raise fail(f"agreed: {name}", "a day such as '2026-11-21'", day) from error
    return PageRecord(data["sha256"], cells, opt_outs, environment, agreed)


def _strings(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) and v for v in value.values())


def environment() -> dict[str, str]:
    """Versions and device of this machine; starts TensorFlow in a process of its own."""
    code = (
        "import tensorflow as tf; g = tf.config.list_physical_devices('GPU'); "
        "print(tf.config.experimental.get_device_details(g[0])['device_name'] if g else 'CPU')"
    )
    command = [sys.executable, "-c", code]
    device = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        "device": device.stdout.strip().splitlines()[-1],
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **notebooks.versions(),
    }


class Recorder:
    """Collects the reports of a run and writes the records of its pages at the end."""

    def __init__(self, book: Book, name: str, weather: str) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
            raise PageError(f"record {name!r}: expected lower-case letters, digits, '.' and '-'")
        self.book, self.name, self.weather = book, name, weather
        self.passed: dict[str, set[str]] = {}
        self.digests: dict[str, str] = {}
        self.spoiled: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take up the result of one test of a page."""
        file, _, item = report.nodeid.partition("::")
        if not file.endswith(".ipynb"):
            return
        page = self.book.name_of(self.book.root / file)
        told = dict(report.user_properties)
        self.digests[page] = str(told.get("sha256", ""))
        if report.failed:
            self.spoiled.add(page)
        elif report.when == "call":
            self.passed.setdefault(page, set()).add(item)

    def pytest_sessionfinish(self) -> None:
        """Write what was verified: pages whose every test passed, and that are still the same."""
        now = environment() if self.passed else {}
        count = 0
        for page in sorted({*self.passed, *self.spoiled}):
            stored = self.book.page(page).with_suffix(".ipynb")
            target = path_of(self.book, self.name, page)
            digest = self.digests.get(page, "")
            if not stored.is_file() or notebooks.digest(stored) != digest:
                print(f"\n{page}: not recorded: the notebook has changed while it was compared")
            elif page in self.spoiled:
                self._take_back(target, digest)
            else:
                cells = notebooks.code_cells(notebooks.read_stored(stored))
                if len(self.passed[page]) == len(cells) + 2:
                    self._write(target, cells, digest, now)
                    count += 1
        if count:
            folder = f"{FOLDER}/{self.name}"
            print(f"\n{folder}: {count} pages verified ({self.weather})")

    def _before(self, target: Path, digest: str) -> PageRecord | None:
        try:
            before = read(target)
        except (OSError, RecordError):
            return None
        return before if before.sha256 == digest else None

    def _write(self, target: Path, cells: list[Any], digest: str, now: Mapping[str, str]) -> None:
        opt_outs = sum(bool(contract.OPT_OUTS & set(notebooks.tags_of(c))) for c in cells)
        before = self._before(target, digest)
        agreed = dict(before.agreed) if before and before.environment == now else {}
        agreed[self.weather] = datetime.date.today().isoformat()
        write(PageRecord(digest, len(cells), opt_outs, now, agreed), target)

    def _take_back(self, target: Path, digest: str) -> None:
        """What was verified earlier and now is not, is not verified."""
        before = self._before(target, digest)
        if before and self.weather in before.agreed:
            agreed = {k: v for k, v in before.agreed.items() if k != self.weather}
            if agreed:
                fields = asdict(before) | {"agreed": agreed}
                write(PageRecord(**fields), target)
            else:
                target.unlink()


def write(record: PageRecord, target: Path) -> None:
    """Write the record of one page, whole or not at all."""
    notebooks.write_atomically(target, json.dumps(asdict(record), indent=1, sort_keys=True) + "\n")
