"""A process that has imported TensorFlow and touched no device: every warm kernel is its fork.

    python -P -m knotes.pipeline.kernels.server SOCKET_FD MODULE...

Starting a kernel and importing TensorFlow costs many times what the cells of a page cost. For each
connection to its socket the server reads one line of JSON, ``{"argv", "cwd", "env"}``, forks a
kernel, answers ``{"pid"}``, and, when the kernel has ended, ``{"status"}``, its exit code or minus
its signal. A connection that is closed ends its kernel, with all processes that it started. When
its standard input is closed, as happens however its parent ends, the server ends all of them and
itself. It has one thread: a fork of a process with several can hang or crash.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import resource
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NoReturn

#: Without these a fork is no kernel. The other modules to preload only save time.
NEEDED = ("keras", "tensorflow", "ipykernel.kernelapp")
FILE_BYTES = 2**30  # the largest file that a kernel or its children may write
_PDEATHSIG, _SUBREAPER = 1, 36  # of prctl(2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Import, then serve until standard input is closed."""
    number, *modules = sys.argv[1:] if arguments is None else arguments
    listener = socket.socket(fileno=int(number))
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    Server(listener, unusable()).serve()


def unusable() -> str:
    """Why forks of this process cannot be kernels (empty: they can)."""
    missing = [name for name in NEEDED if name not in sys.modules]
    if missing:
        return f"{', '.join(missing)} could not be imported ahead"
    from knotes import private

    # After a device is initialized (CUDA above all) a fork of the process is unusable.
    if private.device_started():
        return "a TensorFlow device was initialized before the fork"
    threads = len(os.listdir("/proc/self/task"))
    return f"{threads} threads were running before the fork" if threads > 1 else ""


class Server:
    """The kernels of one server, each with the connection that it hangs on."""

    def __init__(self, listener: socket.socket, reason: str) -> None:
        self.listener, self.reason = listener, reason
        self.kernels: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        ctypes.CDLL(None).prctl(_SUBREAPER, 1)  # orphans of kernels come here, to be ended
        self.woken, wake = socket.socketpair()
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's to act on
        self.wake = wake

    def serve(self) -> None:
        """Fork a kernel for each connection, until standard input is closed."""
        for file in (self.listener, self.woken, sys.stdin):
            self.selector.register(file, selectors.EVENT_READ)
        gc.collect()
        gc.freeze()  # the pages of memory stay shared with the forks
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj is self.woken:
                    self.woken.recv(4096)
                    self.reap()
                elif key.fileobj is sys.stdin:
                    return self.end()
                else:
                    self.hang_up(key.fileobj)  # type: ignore[arg-type]

    def accept(self) -> None:
        """Read what is wanted, and fork."""
        connection, _ = self.listener.accept()
        try:
            wanted = json.loads(connection.makefile("r", encoding="utf8").readline())
        except (OSError, ValueError):  # gone, or not one of ours
            return connection.close()
        if self.reason:
            _send(connection, {"error": self.reason})
            return connection.close()
        pid = os.fork()
        if pid == 0:
            self.become_kernel(connection, wanted)
        self.kernels[pid] = connection
        self.selector.register(connection, selectors.EVENT_READ)
        _send(connection, {"pid": pid})

    def become_kernel(self, connection: socket.socket, wanted: dict[str, Any]) -> NoReturn:
        """In the fork: be the kernel that ``python -m ipykernel_launcher ARGV`` would be."""
        status = 1
        try:
            os.setsid()
            ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for file in (self.listener, self.woken, self.wake, connection, *self.kernels.values()):
                file.close()
            self.selector.close()
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            # When memory runs out the kernel goes, not the one who verifies it.
            with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
                score.write("1000")
            os.environ.clear()
            os.environ.update(wanted["env"])
            time.tzset()
            tempfile.tempdir = None
            os.chdir(wanted["cwd"])
            _forget_random_states()
            from ipykernel.kernelapp import IPKernelApp

            launcher = importlib.util.find_spec("ipykernel_launcher")
            sys.argv = [str(launcher and launcher.origin), *wanted["argv"]]
            parent = f"--IPKernelApp.parent_handle={os.getppid()}"
            IPKernelApp.launch_instance(argv=[*wanted["argv"], parent])
            status = 0
        except SystemExit as leave:
            status = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        finally:
            os._exit(status)

    def reap(self) -> None:
        """Tell the end of each kernel that has ended, and end what it left behind."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                connection = self.kernels.pop(pid, None)
                if connection is not None:
                    end_session(pid)
                    _send(connection, {"status": os.waitstatus_to_exitcode(status)})
                    self.forget(connection)
                    connection.close()

    def hang_up(self, connection: socket.socket) -> None:
        """The other side of a connection is gone: end its kernel."""
        with contextlib.suppress(OSError):
            if connection.recv(4096):
                return
        self.forget(connection)
        for pid, other in self.kernels.items():
            if other is connection:
                os.kill(pid, signal.SIGKILL)  # it may not lead its session yet
                end_session(pid)

    def forget(self, connection: socket.socket) -> None:
        """Watch a connection no more."""
        with contextlib.suppress(KeyError):
            self.selector.unregister(connection)

    def end(self) -> None:
        """End all kernels, and the orphans that they left here."""
        for pid in self.kernels:
            end_session(pid)
        with contextlib.suppress(ChildProcessError):
            while True:
                with open(f"/proc/self/task/{os.getpid()}/children") as file:
                    for pid in map(int, file.read().split()):
                        os.kill(pid, signal.SIGKILL)
                os.waitpid(-1, 0)


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # nobody is left to be told
        connection.sendall(json.dumps(message).encode() + b"\n")


def _forget_random_states() -> None:
    """Give the fork random states of its own: else unseeded pages would seem to repeat."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # Python's own random does so by itself


def end_session(leader: int) -> None:
    """Kill every process of the session that a process leads, itself if it is there."""
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        with contextlib.suppress(OSError):
            if name.isdigit() and os.getsid(int(name)) == leader:
                os.kill(int(name), signal.SIGKILL)


if __name__ == "__main__":
    main()
