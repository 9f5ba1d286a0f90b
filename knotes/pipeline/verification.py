"""Records of verification: which pages a run compared, cell by cell, and on what.

``verification/NAME.json`` is written by ``pytest --nbval book/ --verification-record NAME`` and
committed. The site shows a record on a page only while the page's notebook is still the file,
byte for byte, that the run compared.
"""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from knotes.pipeline import contract, notebooks
from knotes.pipeline.notebooks import ROOT

FOLDER = ROOT / "verification"
PACKAGES = ("keras", "numpy", "matplotlib")


@dataclass
class Record:
    """One run: its name, date, environment, and the pages it verified whole."""

    name: str
    date: str
    environment: dict[str, str]
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)

    def matches(self, page: str, path: Path) -> bool:
        """Whether this record verified exactly the notebook that lies at `path`."""
        entry = self.pages.get(page)
        return entry is not None and entry["sha256"] == notebooks.digest(path)

    def write(self, folder: Path = FOLDER) -> Path:
        """Write the record, whole or not at all; returns its path."""
        target = folder / f"{self.name}.json"
        notebooks.write_atomically(target, json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")
        return target


def read(path: Path) -> Record:
    """Read one record; ValueError naming the file and what is wrong with it."""
    try:
        data = json.loads(path.read_text("utf8"))
        record = Record(**data)
        for page, entry in record.pages.items():
            sha, cells, opt_outs = entry["sha256"], entry["cells"], entry["opt_outs"]
            if not (len(sha) == 64 and 0 <= int(opt_outs) <= int(cells)):
                raise ValueError(f"entry of {page} is not a digest with cells and opt-outs")
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path.name}: not a verification record: {error!r}") from error
    return record


def read_all(folder: Path = FOLDER) -> list[Record]:
    """All records in a folder, sorted by name (empty if there is no such folder)."""
    return [read(path) for path in sorted(folder.glob("*.json"))]


def environment() -> dict[str, str]:
    """Versions and device of this machine; starts TensorFlow in a process of its own."""
    code = (
        "import tensorflow as tf; g = tf.config.list_physical_devices('GPU'); "
        "print(tf.config.experimental.get_device_details(g[0])['device_name'] if g else 'CPU')"
    )
    device = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
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
        record = Record(self.name, datetime.date.today().isoformat(), environment())
        for page, items in sorted(self.passed.items()):
            path = ROOT / f"{page}.ipynb"
            cells = notebooks.code_cells(notebooks.read_stored(path))
            if page in self.spoiled or len(items) != len(cells) + 1:
                continue
            opt_outs = sum(bool(contract.OPT_OUTS & set(notebooks.tags_of(c))) for c in cells)
            entry = {"sha256": notebooks.digest(path), "cells": len(cells), "opt_outs": opt_outs}
            record.pages[page] = entry
        if self.passed:
            path = record.write()
            print(f"\n{path.relative_to(ROOT)}: {len(record.pages)} pages verified")
