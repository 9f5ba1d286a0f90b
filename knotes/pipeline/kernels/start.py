"""Start kernels for the engine: as forks of a server, or cold where forks cannot work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipykernel.kernelspec
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from knotes.pipeline.kernels.server import end_session

INSIDE = "knotes.pipeline.kernels.inside"
# Not matplotlib_inline.backend_inline: imported outside a kernel it never shows a figure.
PRELOAD = (
    "keras",
    "tensorflow",
    "matplotlib.pyplot",
    "sklearn.datasets",
    "sklearn.linear_model",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "IPython.core.completer",
    "debugpy",
)
READY_SECONDS = 120  # a kernel that does not answer by then does not start
END_SECONDS = 2  # given to a kernel to end by itself


class KernelError(Exception):
    """A kernel that did not start; the message says why."""


def cannot_fork() -> str:
    """Why warm kernels cannot work on this system (empty: they can)."""
    linux = sys.platform == "linux"
    return "" if linux else f"forking an initialized TensorFlow is not safe on {sys.platform}"


class Server:
    """The address of a server of warm kernels; the one who started it ends it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.process: subprocess.Popen[bytes] | None = None
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def start(cls, env: Mapping[str, str], modules: Sequence[str] = PRELOAD) -> Server:
        """Start a server with an environment and modules to import; does not wait for it."""
        folder = tempfile.TemporaryDirectory(prefix="knotes-")
        server = cls(str(Path(folder.name, "kernels")))
        server.folder = folder
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(server.address)
            listener.listen(64)
            number = listener.fileno()
            # -P: its working directory is no place to import from
            command = [sys.executable, "-P", "-m", "knotes.pipeline.kernels.server", str(number)]
            server.process = subprocess.Popen(
                [*command, *modules], env=dict(env), pass_fds=[number], stdin=subprocess.PIPE
            )
        return server

    def fork(self, argv: Sequence[str], cwd: str, env: Mapping[str, str]) -> Fork:
        """Fork a kernel; waits until the server has imported everything.

        Raises `KernelError` with the server's reason if its forks cannot be kernels.
        """
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self.address)
            wanted = {"argv": list(argv), "cwd": cwd, "env": dict(env)}
            connection.sendall(json.dumps(wanted).encode() + b"\n")
            told = Told(connection)
            answer = told.line(None) or {}
        except OSError as error:
            connection.close()
            raise KernelError(f"the server of kernels cannot be reached: {error}") from error
        if "pid" not in answer:
            connection.close()
            raise KernelError(answer.get("error", "the server of kernels has ended"))
        return Fork(answer["pid"], told)

    def stop(self) -> None:
        """End the server and all of its kernels."""
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.folder is not None:
            self.folder.cleanup()


class Told:
    """What the server says over a connection, line by line."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.bytes = connection, b""

    def line(self, timeout: float | None) -> Any:
        """The next line, decoded; None if none came in time, {} if none will come."""
        while b"\n" not in self.bytes:
            if not select.select([self.connection], [], [], timeout)[0]:
                return None
            piece = self.connection.recv(4096)
            if not piece:
                return {}
            self.bytes += piece
        line, _, self.bytes = self.bytes.partition(b"\n")
        return json.loads(line)


class Fork:
    """The part of `subprocess.Popen` that a provisioner uses, over a connection to the server."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, told: Told) -> None:
        self.pid, self.told = pid, told
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Exit code, minus the signal, or None while it runs."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Like `poll`, after waiting for the end, at most `timeout` seconds."""
        if self.returncode is None:
            told = self.told.line(timeout)
            if told is not None:
                # without a word: the server itself has been killed, and its kernels with it
                self.returncode = told.get("status", -signal.SIGKILL)
                self.told.connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it, with every process of its session."""
        self.send_signal(signal.SIGKILL)

    terminate = kill


class ThisEnvironment(KernelSpecManager):  # type: ignore[misc]
    """Knows one kernel, that of this Python, whatever is installed for the account."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The kernel of this Python."""
        return KernelSpec(**ipykernel.kernelspec.get_kernel_dict())


class Provisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts a kernel as a fork of a server, or cold."""

    server: Server | None = None
    env: Mapping[str, str]

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel that a command line describes."""
        if self.server is None:
            await super().launch_kernel(cmd, **kwargs | {"env": dict(self.env)})
            return self.connection_info
        argv = cmd[cmd.index("ipykernel_launcher") + 1 :]
        cwd = str(kwargs.get("cwd") or os.getcwd())
        self.process = await asyncio.to_thread(self.server.fork, argv, cwd, self.env)
        self.pid = self.process.pid
        return self.connection_info


class Kernel:
    """A running kernel with its client; `end` it."""

    def __init__(self, manager: Any, client: Any, home: tempfile.TemporaryDirectory[str]) -> None:
        self.manager, self.client, self.home = manager, client, home
        self.process = manager.provisioner.process

    @classmethod
    async def start(
        cls, home: tempfile.TemporaryDirectory[str], env: Mapping[str, str],
        extensions: Sequence[str], server: Server | None,
    ) -> Kernel:  # fmt: skip
        """Start a kernel in its home folder and wait until it answers.

        Raises `KernelError` if it does not.
        """
        manager = AsyncKernelManager(
            kernel_spec_manager=ThisEnvironment(),
            connection_file=str(Path(home.name, "connection.json")),
        )
        provisioner = Provisioner(kernel_spec=manager.kernel_spec, parent=manager)
        provisioner.server, provisioner.env = server, env
        manager.provisioner = provisioner
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        arguments = [
            "--IPKernelApp.capture_fd_output=False",  # `inside` does it
            "--HistoryManager.hist_file=:memory:",
            *(f"--InteractiveShellApp.extra_extensions={name}" for name in extensions),
        ]
        await manager.start_kernel(extra_arguments=arguments, cwd=home.name, **quiet)
        client = manager.client()
        client.start_channels()
        client.allow_stdin = False
        kernel = cls(manager, client, home)
        try:
            await client.wait_for_ready(timeout=READY_SECONDS)
        except RuntimeError as error:
            await kernel.end()
            raise KernelError(f"the kernel did not start: {error}") from error
        return kernel

    def status(self) -> int | None:
        """Exit code of the kernel's process, minus its signal, or None while it runs."""
        code: int | None = self.process.poll()
        return code

    async def end(self, *, now: bool = False) -> None:
        """Ask the kernel to end, make it, and clean up behind it."""
        if not now and self.status() is None:
            with contextlib.suppress(Exception):
                await self.manager.request_shutdown()
            for _ in range(20 * END_SECONDS):
                if self.status() is not None:
                    break
                await asyncio.sleep(0.05)
        self.client.stop_channels()
        self.process.kill()
        await asyncio.to_thread(self.process.wait)
        if isinstance(self.process, subprocess.Popen):  # a cold one; the server does it for forks
            end_session(self.process.pid)
        await self.manager.cleanup_resources()
        self.home.cleanup()
