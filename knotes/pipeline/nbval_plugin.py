"""pytest plugin: ``pytest --nbval`` collects and reports; the engine runs, `compare` compares.

Active through the root ``conftest.py``. nbval alone compares text literally, never looks at PNG
figures, passes cells that were never run, lets a cell that swallows the interrupt of its time limit
pass, and does not know of the text beside a notebook. Here a notebook is read once and run once, by
`knotes.pipeline.engine`; then each cell is one test, and so is each of: the notebook is in step
with its text, and its cells use of Keras' API what is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbval.plugin import IPyNbFile

from knotes import environment
from knotes.pipeline import compare, contract, notebooks, verification
from knotes.pipeline.api import notes
from knotes.pipeline.book import Book, name_of
from knotes.pipeline.engine import CELL_SECONDS, CellRun, PageRun, Run
from knotes.pipeline.kernels.start import Server
from knotes.pipeline.tracing import TRACING
from knotes.pipeline.weather import PINNED, WEATHERS

#: Options of nbval that would change what is run or compared, with their defaults.
REFUSED = {
    "nbval_lax": False,
    "nbval_sanitize_with": None,
    "nbval_kernel_name": None,
    "nbval_cell_timeout": 2000,
    "nbval_kernel_startup_timeout": 60,
}
RUN = pytest.StashKey[Run]()
#: Why kernels of workers had to start cold, from the workers.
COLD = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("knotes", "verification of the book's stored outputs")
    group.addoption(
        "--kernels",
        choices=("warm", "cold"),
        default="warm",
        help="fork kernels from one process that has imported TensorFlow, or start each anew",
    )
    group.addoption(
        "--weather",
        choices=(PINNED.name, *WEATHERS),
        default=PINNED.name,
        help="the rounding environment to run in (see knotes.pipeline.weather)",
    )
    group.addoption(
        "--cell-seconds",
        type=float,
        default=CELL_SECONDS,
        metavar="SECONDS",
        help="time limit of a cell (default %(default)s); a page that meets it is broken off",
    )
    group.addoption(
        "--no-tracing",
        action="store_true",
        help="do not compare what the pages use of the API (for measuring what that costs)",
    )
    group.addoption(
        "--verification-record",
        metavar="NAME",
        help="write verification/NAME/: which pages this run verified, and where",
    )


def pytest_configure(config: pytest.Config) -> None:
    option = config.option
    for name, default in REFUSED.items():
        if getattr(option, name) != default:
            flag = f"--{name.replace('_', '-')}"
            raise pytest.UsageError(f"{flag}: the book is run and compared in one way only")
    if not option.nbval:
        return
    if option.verification_record and option.no_tracing:
        raise pytest.UsageError(
            "--verification-record with --no-tracing: a record says that everything was compared"
        )
    worker = getattr(config, "workerinput", None)
    if worker is None and option.verification_record:
        recorder = verification.Recorder(
            Book.find(config.rootpath), option.verification_record, option.weather
        )
        config.pluginmanager.register(recorder, "knotes-verification")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give each worker of pytest-xdist on this machine the one server of kernels."""
    if node.config.option.nbval:
        server = run_of(node.config).server
        node.workerinput["knotes_server"] = server.address if server else ""


def run_of(config: pytest.Config) -> Run:
    """The run of this session; started at its first use."""
    if RUN not in config.stash:
        option = config.option
        address = getattr(config, "workerinput", {}).get("knotes_server", "")
        config.stash[RUN] = Run(
            option.kernels,
            weather=WEATHERS.get(option.weather, PINNED),
            observers=() if option.no_tracing else (TRACING,),
            cell_seconds=option.cell_seconds,
            cache=config.rootpath / "_build" / "cache",
            server=Server(address) if Path(address).exists() and address else None,
        )
    return config.stash[RUN]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker: tell why its kernels were cold."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None and RUN in session.config.stash:
        told["knotes_cold"] = session.config.stash[RUN].cold


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take that up from a worker."""
    cold = getattr(node, "workeroutput", {}).get("knotes_cold", "")
    node.config.stash.setdefault(COLD, set()).add(cold)


def pytest_unconfigure(config: pytest.Config) -> None:
    if RUN in config.stash:
        config.stash[RUN].close()


def pytest_report_header(config: pytest.Config) -> str | None:
    if not config.option.nbval:
        return None
    run = run_of(config)
    parts = [f"kernels: {'cold: ' + run.cold if run.cold else 'warm'}", run.weather.about]
    return "; ".join(filter(None, (*parts, environment.lacking())))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say so if forks turned out not to work."""
    run = config.stash.get(RUN, None)
    if config.option.kernels == "warm":
        reasons = config.stash.get(COLD, set()) | {run.cold if run else ""}
        for reason in sorted(reasons - {""}):
            terminalreporter.write_line(f"Cold kernels: {reason}.")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Any:
    collectors = yield
    return [
        PageFile.from_parent(parent, path=file_path) if isinstance(c, IPyNbFile) else c
        for c in collectors
    ]


class PageFault(Exception):
    """What is wrong with a page or one of its cells, in lines for a reader."""


class PageFile(pytest.File):
    """A stored notebook, read once: is it in step, then its cells, then what they use."""

    def collect(self) -> Iterator[pytest.Item]:
        data = self.path.read_bytes()
        self.digest = hashlib.sha256(data).hexdigest()
        try:
            self.stored = nbformat.reads(data.decode("utf8"), as_version=4)
            nbformat.validate(self.stored)
        except Exception as error:
            # One page that cannot be read keeps no other from being verified.
            yield Unreadable.from_parent(self, name="readable", error=error)
            return
        self.code = notebooks.code_cells(self.stored)
        self.headings = [h for c, h in notebooks.headings(self.stored) if c.cell_type == "code"]
        yield InStep.from_parent(self, name="in step with its text")
        for number in range(1, len(self.code) + 1):
            yield PageCell.from_parent(self, name=f"code cell {number}", number=number)
        if not self.config.option.no_tracing:
            yield UsesOfApi.from_parent(self, name="uses of the API")

    @cached_property
    def outcome(self) -> PageRun:
        """The page, run; its outputs are as the recorder would store them."""
        result = run_of(self.config).page(self.stored, self.path.parent, more=self._more())
        result.notebook = notebooks.normalize(result.notebook, self.digest)
        return result

    def _more(self) -> bool:
        files = {item.path for item in self.session.items}
        return len(files) > 1


class PageTest(pytest.Item):
    """One test of a page; `faults` says what is wrong."""

    parent: PageFile

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # what the record needs to know, wherever the test ran
        self.user_properties.append(("sha256", self.parent.digest))

    def faults(self) -> list[str]:
        """What is wrong, a line each."""
        raise NotImplementedError

    def runtest(self) -> None:
        if found := self.faults():
            raise PageFault("\n".join(found))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, PageFault):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{name_of(self.path)}: {self.name}"

    def whole(self, fault: str, found: list[str]) -> list[str]:
        """Faults of the page as a whole, with what to do."""
        if not found:
            return []
        name = name_of(self.path)
        lines = [f"{name}: {fault}", *found, f"run: make outputs PAGES={name}.md"]
        return ["\n  ".join(lines)]


class Unreadable(PageTest):
    """A stored notebook that is no notebook."""

    def __init__(self, error: Exception, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    def faults(self) -> list[str]:
        told = compare.clipped(f"{type(self.error).__name__}: {self.error}".splitlines()[0])
        return self.whole("the stored notebook cannot be read", [told])


class InStep(PageTest):
    """The text beside a notebook has the same cells and options, and every cell was run."""

    def faults(self) -> list[str]:
        text = self.path.with_suffix(".md")
        if text.is_file():
            found = notebooks.out_of_step(notebooks.read_text(text), self.parent.stored)
        else:
            found = [f"there is no {text.name} beside it"]
        return self.whole("text and stored notebook are out of step", found)


class UsesOfApi(PageTest):
    """The cells that ran use of the API what is stored with them."""

    def faults(self) -> list[str]:
        page = self.parent
        if page.outcome.broken:
            return [f"{name_of(self.path)}: not compared: {broken_off(page.outcome)}"]
        noted = notes.decode(page.outcome.observed[TRACING.name])
        found = notes.differences(page.stored, noted)
        return self.whole("uses of the API other than stored", found)


class PageCell(PageTest):
    """One code cell: what became of it, and all of its outputs, compared."""

    def __init__(self, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number

    def faults(self) -> list[str]:
        page, index = self.parent, self.number - 1
        result, cell = page.outcome, page.code[index]
        self.user_properties.append(("seconds", result.cells[index].seconds))
        if result.broken and self.number != result.broken_at:
            after = self.number > result.broken_at
            reason = "not run" if after else "ran, but does not count"
            return self.told(f"{reason}: {broken_off(result)}", source=False)
        if result.broken:
            return self.told(f"broken off: {result.broken}")
        if notebooks.is_skipped(cell):
            pytest.skip(contract.reason_of(cell))
        if fault := _told(result.cells[index]):
            return self.told(fault)
        if "nbval-ignore-output" in notebooks.tags_of(cell):
            return []
        stem = name_of(self.path).replace("/", "-").removeprefix("book-")
        picture = self.config.rootpath / "_build" / "figures" / f"{stem}-cell{self.number}.png"
        new = notebooks.code_cells(result.notebook)[index]
        found = compare.compare_outputs(cell.outputs, new.outputs, picture)
        return self.told("Cell outputs differ", *map(str, found)) if found else []

    def told(self, what: str, *details: str, source: bool = True) -> list[str]:
        """A fault of this cell: where, what, the source of the cell, the details."""
        heading = self.parent.headings[self.number - 1]
        lines = [f"{name_of(self.path)}, {heading!r}, code cell {self.number}: {what}"]
        if source:
            cell = self.parent.code[self.number - 1]
            lines += ["    " + compare.clipped(line) for line in cell.source.splitlines()]
        return [*lines, *details]


def broken_off(result: PageRun) -> str:
    """Where and why a page was broken off."""
    where = f"code cell {result.broken_at}: " if result.broken_at else ""
    return f"{where}{result.broken}"


def _told(cell: CellRun) -> str:
    where = f" (line {cell.line})" if cell.line else ""
    return compare.clipped(f"{cell.fault}{where}", 2000) if cell.fault else ""
