"""Records of verification: which pages a run compared, cell by cell, and on what.

``verification/NAME.json`` is written by ``pytest --nbval book/ --verification-record NAME`` and
committed:

    {"name": "cpu", "date": "2026-11-21",
     "environment": {"device": "CPU", "keras": "3.15.1", "tensorflow": "2.21.0", "python": …},
     "pages": {"book/layers/dense": {"sha256": "…", "cells": 31, "opt_outs": 0}}}

A record speaks for a page only while the bytes of the page's ``.ipynb`` are the verified ones.
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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.errors import ConfigError

from knotes.pipeline import contract, notebooks
from knotes.pipeline.notebooks import ROOT

if TYPE_CHECKING:
    import pytest

FOLDER = "verification"
PACKAGES = ("keras", "numpy", "matplotlib")
VERSIONS = {"keras": "Keras", "tensorflow": "TensorFlow"}


class RecordError(ConfigError):
    """A record that is not of the form described above."""


@dataclass(frozen=True)
class PageRecord:
    """What one run verified on one page.

    `opt_outs` of the `cells` code cells were run without comparing (or not run).
    """

    sha256: str
    cells: int
    opt_outs: int


@dataclass(frozen=True)
class Record:
    """One verification run."""

    name: str
    date: str
    environment: Mapping[str, str]
    pages: Mapping[str, PageRecord]

    def write(self, folder: Path = ROOT / FOLDER) -> Path:
        """Write the record, whole or not at all; returns its path."""
        target = folder / f"{self.name}.json"
        text = json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"
        notebooks.write_atomically(target, text)
        return target


def load(folder: Path) -> list[Record]:
    """Read all records of a folder, by name; a folder that is not there holds none.

    Raises:
        RecordError: naming file, key, what was expected and what is there.

    """
    return [read(path) for path in sorted(folder.glob("*.json"))]


def read(path: Path) -> Record:
    """Read one record.

    Raises:
        RecordError: naming file, key, what was expected and what is there.

    """

    def fail(key: str, expected: str, got: object) -> RecordError:
        return RecordError(
            f"{path.parent.name}/{path.name}: {key}: expected {expected}, got {got!r}"
        )

    def integer(key: str, value: object, low: int, high: int | None = None) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise fail(key, f"an integer of at least {low}", value)
        if high is not None and value > high:
            raise fail(key, f"at most {high}, the number of cells", value)
        return value

    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecordError(f"{path.parent.name}/{path.name}: not JSON: {error}") from error
    if not isinstance(data, dict) or set(data) != {"name", "date", "environment", "pages"}:
        got = sorted(data) if isinstance(data, dict) else type(data).__name__
        raise fail("record", "the keys name, date, environment, pages", got)
    if data["name"] != path.stem:
        raise fail("name", f"the name of the file, {path.stem!r}", data["name"])
    try:
        datetime.date.fromisoformat(data["date"])
    except (TypeError, ValueError) as error:
        raise fail("date", "a day such as '2026-11-21'", data["date"]) from error
    environment = data["environment"]
    needed = {"device", *VERSIONS}
    if (
        not isinstance(environment, dict)
        or not needed <= set(environment)
        or not all(isinstance(value, str) and value for value in environment.values())
    ):
        raise fail("environment", f"strings, with {', '.join(sorted(needed))}", environment)
    if not isinstance(data["pages"], dict):
        raise fail("pages", "an object with one entry a page", data["pages"])
    pages = {}
    for page, entry in data["pages"].items():
        key = f"pages: {page}"
        if not isinstance(entry, dict) or set(entry) != {"sha256", "cells", "opt_outs"}:
            raise fail(key, "the keys sha256, cells, opt_outs", entry)
        if not re.fullmatch("[0-9a-f]{64}", str(entry["sha256"])):
            raise fail(f"{key}: sha256", "64 hexadecimal digits", entry["sha256"])
        cells = integer(f"{key}: cells", entry["cells"], 1)
        opt_outs = integer(f"{key}: opt_outs", entry["opt_outs"], 0, cells)
        pages[page] = PageRecord(entry["sha256"], cells, opt_outs)
    return Record(data["name"], data["date"], environment, pages)


def environment() -> dict[str, str]:
    """Versions and device of this machine; starts TensorFlow in a process of its own."""
    code = (
        "import tensorflow as tf; g = tf.config.list_physical_devices('GPU'); "
        "print(tf.config.experimental.get_device_details(g[0])['device_name'] if g else 'CPU')"
    )
    command = [sys.executable, "-c", code]
    device = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {"device": device.stdout.strip().splitlines()[-1], "python": platform.python_version()}
    found["platform"] = f"{platform.system()} {platform.machine()}"
    found |= {package: version(package) for package in PACKAGES}
    for package in ("tensorflow", "tensorflow-cpu"):
        try:
            found["tensorflow"] = version(package)
            break
        except PackageNotFoundError:
            continue
    return found


class Recorder:
    """Collects the reports of a run and writes its record at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.name: str = config.option.verification_record
        self.passed: dict[str, set[str]] = {}
        self.spoiled: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file, _, item = report.nodeid.partition("::")
        if not file.endswith(".ipynb"):
            return
        page = notebooks.name_of(ROOT / file)
        if not report.passed:
            self.spoiled.add(page)
        elif report.when == "call":
            self.passed.setdefault(page, set()).add(item)

    def pytest_sessionfinish(self) -> None:
        pages = {}
        for page, items in sorted(self.passed.items()):
            path = ROOT / f"{page}.ipynb"
            cells = notebooks.code_cells(notebooks.read_stored(path))
            if page in self.spoiled or len(items) != len(cells) + 2:
                continue
            opt_outs = sum(bool(contract.OPT_OUTS & set(notebooks.tags_of(c))) for c in cells)
            pages[page] = PageRecord(notebooks.digest(path), len(cells), opt_outs)
        if pages:
            today = datetime.date.today().isoformat()
            path = Record(self.name, today, environment(), pages).write()
            print(f"\n{path.relative_to(ROOT)}: {len(pages)} pages verified")
