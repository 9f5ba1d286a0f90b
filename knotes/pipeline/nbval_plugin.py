"""pytest plugin: nbval runs the cells, this compares them the way the book needs.

Active with ``pytest --nbval`` through the root ``conftest.py``. nbval alone compares text
literally, never looks at PNG figures, passes cells that were never run, and does not know of the
text beside a notebook. Here each notebook gets two more tests, that it is in step with its text
and that it uses of Keras' API what is stored; each cell is compared by `knotes.pipeline.compare`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from knotes.pipeline import compare, notebooks, verification, warm
from knotes.pipeline.api import coverage, notes

PICTURES = "_build/figures"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("knotes", "verification of the book's stored outputs")
    group.addoption(
        "--kernels",
        choices=("warm", "cold"),
        default="warm",
        help="fork kernels from one process that has imported TensorFlow, or start each anew",
    )
    group.addoption(
        "--no-tracing",
        action="store_true",
        help="do not compare what the pages use of the API (for measuring what that costs)",
    )
    group.addoption(
        "--verification-record",
        metavar="NAME",
        help="write verification/NAME.json: which pages this run verified, and where",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not config.option.nbval:
        return
    before = os.environ.get("PYTEST_CURRENT_TEST")
    config.stash[KERNELS] = warm.enable(config.option.kernels, tracing=not config.option.no_tracing)
    if before is None:
        os.environ.pop("PYTEST_CURRENT_TEST", None)  # pytest sets it test by test
    if config.option.verification_record and not hasattr(config, "workerinput"):
        config.pluginmanager.register(verification.Recorder(config), "knotes-verification")


KERNELS = pytest.StashKey[str]()


def pytest_report_header(config: pytest.Config) -> str | None:
    if not config.option.nbval:
        return None
    reason = config.stash[KERNELS]
    return f"kernels: {'cold: ' + reason if reason else config.option.kernels}"


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Any:
    collectors = yield
    return [
        PageFile.from_parent(parent, path=file_path) if isinstance(c, IPyNbFile) else c
        for c in collectors
    ]


class PageFile(IPyNbFile):  # type: ignore[misc]
    """A stored notebook: is it in step with its text, then its cells, then what they use."""

    def collect(self) -> Iterator[pytest.Item]:
        yield InStep.from_parent(self, name="in step with its text")
        for item in super().collect():
            yield PageCell.from_parent(
                self, name=item.name, cell_num=item.cell_num, cell=item.cell, options=item.options
            )
        if warm.tracing():
            yield UsesOfApi.from_parent(self, name="uses of the API")

    def setup(self) -> None:
        """The kernel starts with the first cell, so that a stale pair is told without one."""

    def start(self) -> None:
        if self.kernel is None:
            super().setup()

    def heading_of(self, cell: Any) -> str:
        return next(h for c, h in notebooks.headings(self.nb) if c is cell)


class PageTest(pytest.Item):
    """A test of a page as a whole; `fault` is what its failure says, its details follow."""

    fault: str

    def faults(self) -> list[str]:
        """What is wrong, a line each."""
        raise NotImplementedError

    def runtest(self) -> None:
        found = self.faults()
        if found:
            raise PageFault(found)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if not isinstance(excinfo.value, PageFault):
            return str(super().repr_failure(excinfo))
        name = notebooks.name_of(self.path)
        lines = [f"{name}: {self.fault}", *excinfo.value.args[0]]
        return "\n  ".join([*lines, f"run: make outputs PAGES={name}.md"])

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{notebooks.name_of(self.path)}: {self.name}"


class PageFault(Exception):
    """Something is wrong with a page as a whole; the argument is the list of faults."""


class InStep(PageTest):
    """The text beside a notebook has the same cells and options, and every cell was run."""

    fault = "text and stored notebook are out of step"

    def faults(self) -> list[str]:
        page: Any = self.parent
        text = self.path.with_suffix(".md")
        if not text.is_file():
            return [f"there is no {text.name} beside it"]
        return notebooks.out_of_step(notebooks.read_text(text), page.nb)


class UsesOfApi(PageTest):
    """The cells that ran use of the API what is stored with them."""

    fault = "uses of the API other than stored"

    def faults(self) -> list[str]:
        page: Any = self.parent
        if page.kernel is None or not page.kernel.is_alive():
            pytest.skip("no cell of the page ran, or its kernel died")
        return notes.differences(page.nb, asyncio.run(coverage.ask(page.kernel.kc)))


class PageCell(IPyNbCell):  # type: ignore[misc]
    """One code cell: run it, compare all of its outputs."""

    differences: list[compare.Difference]

    def setup(self) -> None:
        self.parent.start()
        super().setup()

    def runtest(self) -> None:
        self.differences = []
        if self.cell.execution_count is None:
            self.raise_cell_error("the stored cell was never run: its execution count is empty")
        super().runtest()

    def compare_outputs(self, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        """Replaces nbval's comparison; `ref` are the stored outputs, `test` the new ones."""
        stem = notebooks.name_of(self.path).replace("/", "-").removeprefix("book-")
        picture = self.config.rootpath / PICTURES / f"{stem}-cell{self.cell_num + 1}.png"
        self.differences = compare.compare_outputs(ref, test, picture)
        self.comparison_traceback = [str(d) for d in self.differences]
        return not self.differences

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        error = excinfo.value
        if not isinstance(error, NbCellError):
            return f"{type(error).__name__}: {error}"
        heading = self.parent.heading_of(self.cell)
        place = f"{notebooks.name_of(self.path)}, {heading!r}, code cell {self.cell_num + 1}"
        source = "\n".join("    " + line for line in self.cell.source.splitlines())
        detail = "\n".join(map(str, self.differences)) or error.inner_traceback or ""
        if not self.differences and self.test_outputs:
            last = self.test_outputs[-1]
            if last["output_type"] == "error":
                detail = f"{last['ename']}: {last['evalue']}"
        return "\n".join(part for part in (f"{place}: {error}", source, detail) if part)

    def reportinfo(self) -> tuple[Path, int, str]:
        name = notebooks.name_of(self.path)
        return self.path, 0, f"{name}: code cell {self.cell_num + 1}"
