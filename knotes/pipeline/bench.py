"""Benchmark of the verification: plain nbval and ours, one after the other, on the whole book.

    python -m knotes.pipeline.bench [--rounds N]

Prints, for each way of running, wall seconds, the ratio to plain nbval, and the seconds a page
costs beyond the time its cells run. Measured on one machine in one go: compare the ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from knotes import environment
from knotes.pipeline.notebooks import ROOT, text_pages

PLAIN = ["--nbval", "--nbval-current-env", "--noconftest", "-o", "addopts="]
WAYS = {
    "plain nbval": PLAIN,
    "ours, cold kernels": ["--nbval", "--kernels=cold"],
    "ours": ["--nbval"],
    "ours, no tracing": ["--nbval", "--no-tracing"],
    "ours, -n 2": ["--nbval", "-n2"],
}


@dataclass(frozen=True)
class Run:
    """One run over the book: wall seconds, seconds in cells, whether every test passed."""

    wall: float
    cells: float
    passed: bool


def measure(options: Sequence[str]) -> Run:
    """Run pytest over the book with `options` in a process of its own and time it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        junit = [f"--junitxml={report}", "-o", "junit_duration_report=call"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "book"]
        begin = time.perf_counter()
        done = subprocess.run(
            [*command, *options, *junit],
            cwd=ROOT,
            env={**os.environ, **environment.VARIABLES},
            capture_output=True,
            check=False,
        )
        wall = time.perf_counter() - begin
        cases = ET.parse(report).getroot().iter("testcase")
        cells = sum(float(case.get("time", 0)) for case in cases)
    return Run(wall, cells, done.returncode == 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 1 if a run of ours found a difference."""
    parser = argparse.ArgumentParser(prog="knotes.pipeline.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="rounds over all ways (default 1)")
    rounds = parser.parse_args(arguments).rounds
    pages = len(text_pages())
    print(f"{pages} pages, {rounds} round(s), {os.cpu_count()} cores; seconds are medians\n")
    runs: dict[str, list[Run]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, options in WAYS.items():
            runs[way].append(measure(options))
    plain = statistics.median(run.wall for run in runs["plain nbval"])
    heads = ("", "wall s", "× faster", "in cells s", "beyond, s a page")
    print("{:20} {:>8} {:>9} {:>11} {:>17}  tests".format(*heads))
    for way, done in runs.items():
        wall = statistics.median(run.wall for run in done)
        cells = statistics.median(run.cells for run in done)
        # Two workers overlap: the time beyond the cells is told for one process only.
        beyond = "" if "-n" in way else f"{(wall - cells) / pages:.2f}"
        state = "pass" if all(run.passed for run in done) else "FAIL"
        print(f"{way:20} {wall:8.1f} {plain / wall:9.2f} {cells:11.1f} {beyond:>17}  {state}")
    return 0 if all(run.passed for way in WAYS if "ours" in way for run in runs[way]) else 1


if __name__ == "__main__":
    sys.exit(main())
