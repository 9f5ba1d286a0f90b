"""Run the cells of a page: the one way in which recording, verification and every other run do it.

`Run` holds what runs share (kernels, rounding environment, observers), `Run.page` runs one page in
a kernel of its own and returns what plain Jupyter would show, as a `PageRun`. The messages of the
kernel are read by nbclient. A page that is broken off, by a time limit, a dead kernel or a flood of
output, says so, and nothing of it may count.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import copy
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from knotes.pipeline import notebooks
from knotes.pipeline.kernels.start import (
    INSIDE,
    PRELOAD,
    Kernel,
    KernelError,
    Server,
    cannot_fork,
)
from knotes.pipeline.kernels.surroundings import surroundings
from knotes.pipeline.weather import PINNED, Weather

CELL_SECONDS = 300
#: More than this from one cell, in characters of its messages, breaks the page off.
CELL_OUTPUT = 10_000_000
ANSWER_SECONDS = 60  # for questions to a kernel that is idle, and for its last output
IDLE_SECONDS = 10  # for the answer of a kernel that says it is idle again
# Line of the cell that raised last, asked of the kernel: short tracebacks do not show it.
_FRAMES = "__import__('traceback').extract_tb(__import__('sys').last_traceback)"
FAILING_LINE = f"next((f.lineno for f in {_FRAMES} if 'ipykernel_' in f.filename), 0)"

T = TypeVar("T")


@dataclass(frozen=True)
class Observer:
    """Something that watches a page from inside its kernel.

    `extension` is the IPython extension to load, `report` an expression that is asked of the
    kernel after the last cell and gives plain data.
    """

    name: str
    extension: str
    report: str


@dataclass
class CellRun:
    """What became of a code cell: its `fault`, or nothing; `line` is where it raised, if known."""

    seconds: float = 0.0
    ran: bool = False
    fault: str = ""
    line: int = 0


@dataclass
class PageRun:
    """What became of a page: `notebook` has the outputs, `cells` one entry for each code cell.

    `broken` says why the page was broken off, in code cell `broken_at` (from 1; 0: before the
    first); it is empty for a page that ran to its end. `observed` holds the observers' reports.
    """

    notebook: Any
    cells: list[CellRun]
    broken: str = ""
    broken_at: int = 0
    observed: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """The time that the cells took."""
        return sum(cell.seconds for cell in self.cells)


class Run:
    """Kernels of one kind, in one rounding environment, for the pages that are run with it.

    Kernels are forks of a server that has imported TensorFlow (``kernels="warm"``) or start anew
    (``"cold"``); where forks cannot work they start anew, and `cold` says why. `server` is one
    that somebody else has started, in the same environment. A run can be used from several
    threads; close it, or use it in a ``with`` statement.
    """

    def __init__(
        self,
        kernels: str = "warm",
        *,
        weather: Weather = PINNED,
        observers: Sequence[Observer] = (),
        hash_seed: int | None = None,
        cell_seconds: float = CELL_SECONDS,
        cache: Path | None = None,
        server: Server | None = None,
        preload: Sequence[str] = PRELOAD,
    ) -> None:
        if kernels not in ("warm", "cold"):
            raise ValueError(f"kernels={kernels!r}: expected 'warm' or 'cold'")
        self.weather, self.observers, self.cell_seconds = weather, observers, cell_seconds
        self.extensions = (*(o.extension for o in observers), *weather.extensions, INSIDE)
        self.hash_seed = hash_seed
        self.cold = "as asked" if kernels == "cold" else cannot_fork()
        self._folder = tempfile.TemporaryDirectory(prefix="knotes-", ignore_cleanup_errors=True)
        self.cache = cache or Path(self._folder.name, "cache")
        self._borrowed = server is not None
        self.server = server
        if not self.cold and server is None:
            observed = [observer.extension for observer in observers]
            self.server = Server.start(self._env(Path(self._folder.name)), [*preload, *observed])
        self._closing = False
        self._spare: asyncio.Task[Kernel] | None = None
        self._pages: set[asyncio.Task[Any] | None] = set()
        self._kernels: set[Kernel] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def page(self, notebook: Any, folder: Path, *, more: bool = True) -> PageRun:
        """Run a notebook's code cells in `folder`, in a kernel of their own.

        The notebook is left as it is; the one that is returned has the outputs. With `more` the
        kernel of the next page starts meanwhile.
        """
        return self._wait(self._page(copy.deepcopy(notebook), folder, more))

    def close(self) -> None:
        """End all kernels, and the server if it is this run's.

        A page that another thread waits for is broken off.
        """
        if self._closing:
            return
        self._closing = True
        self._wait(self._break_off())
        if self.server is not None and not self._borrowed:
            self.server.stop()  # which also ends the start of a spare kernel
        self._wait(self._drop_spare())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()

    # --- in the loop

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _env(self, home: Path) -> dict[str, str]:
        return surroundings(home, self.cache, self.weather.variables, self.hash_seed)

    async def _kernel(self) -> Kernel:
        """Start a kernel; cold, and from now on, if forks turn out not to work."""
        if not self.cold:
            try:
                return await self._start(self.server)
            except KernelError as error:
                if self._closing:
                    raise
                self.cold = str(error)
        return await self._start(None)

    async def _start(self, server: Server | None) -> Kernel:
        home = tempfile.TemporaryDirectory(dir=self._folder.name, ignore_cleanup_errors=True)
        return await Kernel.start(home, self._env(Path(home.name)), self.extensions, server)

    async def _next_kernel(self, more: bool) -> Kernel:
        spare, self._spare = self._spare, None
        kernel = await (spare or self._kernel())
        if more and self._spare is None:
            self._spare = asyncio.ensure_future(self._kernel())
        return kernel

    async def _break_off(self) -> None:
        for kernel in self._kernels:
            kernel.process.kill()
        await asyncio.gather(*filter(None, self._pages), return_exceptions=True)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _drop_spare(self) -> None:
        if self._spare is not None:
            with contextlib.suppress(KernelError):
                await (await self._spare).end(now=True)

    async def _page(self, notebook: Any, folder: Path, more: bool) -> PageRun:
        task = asyncio.current_task()
        self._pages.add(task)
        try:
            return await self._page_in_kernel(notebook, folder, more)
        finally:
            self._pages.discard(task)

    async def _page_in_kernel(self, notebook: Any, folder: Path, more: bool) -> PageRun:
        cells = [CellRun() for _ in notebooks.code_cells(notebook)]
        result = PageRun(notebook, cells)
        for cell in notebooks.code_cells(notebook):
            cell.outputs, cell.execution_count = [], None
        try:
            kernel = await self._next_kernel(more)
        except KernelError as error:
            result.broken = str(error)
            return result
        self._kernels.add(kernel)
        try:
            if not self._closing:
                client = _Client(notebook, kernel, self.cell_seconds)
                await client.run(result, folder, self.observers)
        finally:
            self._kernels.discard(kernel)
            if self._closing:
                result.broken = "the run was closed"
            # nobody waits for it; a kernel that is broken off is not asked
            ending = asyncio.ensure_future(kernel.end(now=bool(result.broken)))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        return result


class _Client(NotebookClient):  # type: ignore[misc]
    """nbclient on a kernel that is there, with a limit to what a cell may print."""

    def __init__(self, notebook: Any, kernel: Kernel, seconds: float) -> None:
        super().__init__(
            notebook,
            timeout=seconds,
            iopub_timeout=ANSWER_SECONDS,
            raise_on_iopub_timeout=True,
            allow_errors=True,
            record_timing=False,
            store_widget_state=False,
            skip_cells_with_tag=notebooks.SKIP,
        )
        self.kernel = kernel
        self.km, self.kc = kernel.manager, kernel.client
        self.reply: Mapping[str, Any] = {}
        self.printed = 0
        self.idle: asyncio.TimerHandle | None = None
        self.on_cell_executed = self._executed

    def _executed(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        self.reply = execute_reply["content"]
        if self.idle is not None:
            self.idle.cancel()

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        """Take up a message, unless the cell floods."""
        self.printed += _size(msg["content"])
        if self.printed > CELL_OUTPUT:
            self.kernel.process.kill()  # which nbclient then sees
            return None
        if msg["msg_type"] == "status" and msg["content"]["execution_state"] == "idle":
            # A kernel that stumbles over a cell falls idle and never answers.
            loop = asyncio.get_running_loop()
            self.idle = loop.call_later(IDLE_SECONDS, self.task_poll_for_reply.cancel)
        return super().process_message(msg, cell, cell_index)

    async def run(self, result: PageRun, folder: Path, observers: Sequence[Observer]) -> None:
        """Run all cells; what becomes of them goes into `result`."""
        try:
            await self._ask(f"__import__('os').chdir({str(folder)!r})")
            for number, (index, cell) in enumerate(_numbered(self.nb), 1):
                result.broken_at = number
                await self._run_cell(cell, index, result.cells[number - 1])
            for observer in observers:
                result.observed[observer.name] = await self._ask(observer.report)
            result.broken_at = 0
        except CellTimeoutError:
            result.broken = f"still running after {self.timeout:g} s"
        except DeadKernelError:
            result.broken = await self._cause()
        except _Unanswered as error:
            result.broken = str(error)
        for cell in notebooks.code_cells(self.nb):
            cell.outputs = _joined(cell.outputs)

    async def _run_cell(self, cell: Any, index: int, told: CellRun) -> None:
        self.printed, self.reply, self.idle = 0, {}, None
        begin = time.perf_counter()
        await self.async_execute_cell(cell, index)
        told.seconds = time.perf_counter() - begin
        told.ran = bool(self.reply)
        raised = any(output["output_type"] == "error" for output in cell.outputs)
        expected = "raises-exception" in notebooks.tags_of(cell)
        status = self.reply.get("status")
        if status == "error" and not raised:
            error = f"{self.reply.get('ename')}: {self.reply.get('evalue')}"
            told.fault = f"the kernel gave the cell up and shows no error: {error}"
        elif told.ran and status not in ("ok", "error"):
            told.fault = f"the kernel did not run the cell (its answer is {status!r})"
        elif raised and not expected:
            error = next(o for o in cell.outputs if o["output_type"] == "error")
            told.fault = f"{error['ename']}: {error['evalue']}"
            told.line = await self._ask(FAILING_LINE) or 0
        elif told.ran and expected and not raised:
            told.fault = "tagged raises-exception, raised none"

    async def _ask(self, expression: str) -> Any:
        """The value of an expression in the kernel, plain data; None if it raised."""
        asked = {"it": expression}
        message = self.kc.execute("", silent=True, user_expressions=asked)
        end = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < end:
            if self.kernel.status() is not None:
                raise DeadKernelError("Kernel died")
            with contextlib.suppress(queue.Empty):
                reply = await self.kc.get_shell_msg(timeout=1)
                if reply["parent_header"].get("msg_id") == message:
                    data = reply["content"]["user_expressions"]["it"].get("data", {})
                    return ast.literal_eval(data["text/plain"]) if data else None
        raise _Unanswered(f"the kernel did not answer within {ANSWER_SECONDS} s")

    async def _cause(self) -> str:
        """Why the kernel is dead."""
        if self.idle is not None and self.kernel.status() is None:
            return "the kernel gave the cell up: it is idle and has not answered"
        if self.printed > CELL_OUTPUT:
            return f"printed more than {CELL_OUTPUT / 1e6:g} MB"
        while (code := self.kernel.status()) is None:  # nbclient has seen it dead
            await asyncio.sleep(0.05)
        if code < 0:
            hint = " (out of memory?)" if -code == signal.SIGKILL else ""
            return f"the kernel died of {signal.Signals(-code).name}{hint}"
        return f"the kernel ended with exit code {code}"


class _Unanswered(Exception):
    """A kernel that lives and does not answer."""


def _numbered(notebook: Any) -> list[tuple[int, Any]]:
    return [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def _size(content: Mapping[str, Any]) -> int:
    data = content.get("data") or {}
    return len(content.get("text", "")) + sum(len(str(value)) for value in data.values())


def _joined(outputs: Sequence[Any]) -> list[Any]:
    """Outputs with neighboring pieces of one stream joined: where the pieces end is chance."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output["output_type"] == "stream" and output["name"] == last.get("name"):
            last["text"] += output["text"]
        else:
            joined.append(output)
    return joined
