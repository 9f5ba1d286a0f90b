"""Other rounding environments, in which every page must show what it stores: ``make weather``.

    python -m knotes.pipeline.weather [--only NAME] [--turn] [--record NAME] [PAGE ...]

A GPU, another processor or another number of threads adds the same numbers in another order. What
a page prints must not hang on that. Each `Weather` changes the rounding of a whole run.
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from knotes.pipeline.book import Book, PageError


@dataclass(frozen=True)
class Weather:
    """A rounding environment: variables that replace those of `knotes.environment`, and
    modules that a kernel loads as IPython extensions."""

    name: str
    about: str
    variables: Mapping[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()


#: The environment in which pages are recorded.
PINNED = Weather("pinned", "as recorded")
WEATHERS = {
    weather.name: weather
    for weather in (
        Weather(
            "older",
            "instructions of 2008 (SSE4)",
            {
                "ONEDNN_MAX_CPU_ISA": "SSE41",
                "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2",
                "OPENBLAS_CORETYPE": "Nehalem",
                "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
            },
        ),
        Weather(
            "newer",
            "the widest instructions that the processor has",
            {
                "ONEDNN_MAX_CPU_ISA": "DEFAULT",
                "XLA_FLAGS": "",
                "OPENBLAS_CORETYPE": "",
                "NPY_DISABLE_CPU_FEATURES": "",
            },
        ),
        Weather(
            "onednn",
            "oneDNN's own operations",
            {"TF_ENABLE_ONEDNN_OPTS": "1"},
            ("knotes.pipeline.kernels.imported",),
        ),
        Weather(
            "threads",
            "two threads for each operation",
            {
                "TF_NUM_INTRAOP_THREADS": "2",
                "TF_NUM_INTEROP_THREADS": "2",
                "OPENBLAS_NUM_THREADS": "2",
                "OMP_NUM_THREADS": "2",
            },
        ),
        Weather(
            "noise",
            "gradients times 1 ± 1e-6, in the place of a GPU",
            extensions=("knotes.pipeline.noise",),
        ),
    )
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run pages in each environment and tell which cells differ; exit status 1 if any does."""
    parser = argparse.ArgumentParser(prog="knotes.pipeline.weather", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="default: the whole book")
    parser.add_argument("--only", choices=(PINNED.name, *WEATHERS), action="append", default=[])
    parser.add_argument("--turn", action="store_true", help="one environment, by the day")
    parser.add_argument("--record", metavar="NAME", help="note in verification/NAME what agreed")
    parser.add_argument("--workers", default="0")
    options = parser.parse_args(arguments)
    try:
        book = Book.find()
        pages = [page.with_suffix(".ipynb") for page in book.resolve(options.pages)]
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    names = options.only or list(WEATHERS)
    if options.turn:
        names = [names[today() % len(names)]]
    differing: dict[str, Counter[str]] = {}
    failed = False
    for name in names:
        about = WEATHERS.get(name, PINNED).about
        print(f"{name}: {about}", flush=True)
        status, differing[name] = _verify(book, pages or [book.folder], name, options)
        failed |= status != 0
    width = max((len(page) for counts in differing.values() for page in counts), default=0)
    for page in sorted({page for counts in differing.values() for page in counts}):
        counts = "  ".join(f"{name} {differing[name][page]}" for name in names)
        print(f"{page:{width}}  {counts}")
    print("Some outputs differ." if failed else f"All outputs agree: {', '.join(names)}.")
    return int(failed)


def today() -> int:
    """The number of the day."""
    return datetime.date.today().toordinal()


def _verify(
    book: Book, pages: Sequence[Path], name: str, options: argparse.Namespace
) -> tuple[int, Counter[str]]:
    """Compare pages in one environment: exit status, and the differing cells of each page."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "--nbval", "-q", f"--weather={name}"]
        command += [f"--junitxml={report}", f"-n{options.workers}", *map(str, pages)]
        if options.record:
            command.append(f"--verification-record={options.record}")
        status = subprocess.run(command, cwd=book.root, check=False).returncode
        counts: Counter[str] = Counter()
        if report.is_file():
            for case in ElementTree.parse(report).iter("testcase"):
                if case.find("failure") is not None:
                    counts[str(case.get("classname")).removesuffix(".ipynb")] += 1
    return status, counts


if __name__ == "__main__":
    sys.exit(main())
