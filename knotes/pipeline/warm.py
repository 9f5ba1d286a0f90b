"""Warm kernels: notebooks start in a process forked from one that has imported TensorFlow.

Starting a kernel and importing TensorFlow costs many times what the cells of a page cost. Here
one server process (the standard library's forkserver) imports what pages import, touches no
device, and every kernel is a fork of it. The provisioner is an entry point of jupyter_client
named ``knotes`` and is chosen through the environment (`enable`), so that nbval and nbclient
need not know of it. Where forks cannot work, kernels start cold and one line says why.

Warm or cold, a kernel loads `knotes.pipeline.api.uses`, which notes what a page uses of Keras.
"""

from __future__ import annotations

import ast
import functools
import multiprocessing as mp
import os
import queue
import sys
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.utils import ensure_async

from knotes import environment

NAME = "knotes"
USES = "knotes.pipeline.api.uses"
#: How kernels start, and whether they note what pages use, for processes started by this one.
KERNELS, TRACING = "KNOTES_KERNELS", "KNOTES_TRACING"
# Not matplotlib_inline.backend_inline: imported outside a kernel it never shows a figure.
PRELOAD = [
    "keras",
    "tensorflow",
    "matplotlib.pyplot",
    "sklearn.datasets",
    "sklearn.linear_model",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "IPython.core.completer",
    "debugpy",
    USES,
]
NEEDED = ("keras", "tensorflow", "ipykernel.kernelapp")
BACKEND = "module://matplotlib_inline.backend_inline"


def enable(kernels: str = "warm", *, tracing: bool = True) -> str:
    """Choose how kernels started by this process start: ``"warm"`` or ``"cold"``.

    With `tracing` they note what pages use of Keras. Sets the environment that every run shares
    (`knotes.environment.VARIABLES`) and returns an empty string, or, when warm kernels were asked
    for and cannot be had, the reason. Raises ValueError for any other value of `kernels`.
    """
    if kernels not in ("warm", "cold"):
        raise ValueError(f"kernels={kernels!r}: expected 'warm' or 'cold'")
    os.environ.update(environment.VARIABLES)
    # Else ipykernel copies C-level standard error into the outputs: what is recorded and what
    # pytest sees would differ (pytest sets this variable itself).
    os.environ.setdefault("PYTEST_CURRENT_TEST", "knotes")
    reason = unavailable() if kernels == "warm" else ""
    os.environ[KERNELS] = "cold" if reason else kernels
    os.environ[TRACING] = "1" if tracing else ""
    name = NAME if installed() else "local-provisioner"
    os.environ[KernelProvisionerFactory.default_provisioner_name_env] = name
    KernelProvisionerFactory.instance().default_provisioner_name = name
    return reason


def tracing() -> bool:
    """Whether kernels started by this process note what pages use of Keras."""
    return bool(os.environ.get(TRACING)) and installed()


def unavailable() -> str:
    """Why warm kernels cannot work on this machine (empty if nothing speaks against them)."""
    if sys.platform != "linux" or "forkserver" not in mp.get_all_start_methods():
        return f"forking an initialized TensorFlow is not safe on {sys.platform}"
    if not installed():
        return "the package knotes is not installed in this environment (pip install -e .)"
    return ""


def installed() -> bool:
    """Whether jupyter_client can find the provisioner below."""
    return bool(entry_points(group="jupyter_client.kernel_provisioners", name=NAME))


async def ask(client: Any, expression: str) -> Any:
    """The value of an expression in a kernel, which must be plain data; None if none came.

    `client` is a blocking or an asynchronous kernel client. Nothing of the question is recorded.
    """
    message = client.execute("", silent=True, user_expressions={"it": expression})
    while True:
        try:
            reply = await ensure_async(client.get_shell_msg(timeout=10))
        except queue.Empty:
            return None
        if reply["parent_header"].get("msg_id") == message:
            data = reply["content"]["user_expressions"]["it"].get("data", {})
            return ast.literal_eval(data["text/plain"]) if data else None


@functools.cache
def _server() -> Any:
    """The forkserver context; its server starts with the first process asked of it."""
    os.environ.setdefault("MPLBACKEND", BACKEND)  # read when matplotlib is imported
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


@functools.cache
def broken() -> str:
    """Ask one fork whether the server imported everything and touched no device.

    Returns the reason why its forks cannot be kernels, or an empty string. Waits for the imports.
    """
    ours, theirs = mp.Pipe()
    process = _start(_inspect, theirs)
    theirs.close()
    try:
        reason: str = ours.recv()
    except EOFError:
        reason = f"the preloading process ended with exit code {process.exitcode}"
    process.join()
    return reason


def _inspect(pipe: Connection) -> None:
    missing = [name for name in NEEDED if name not in sys.modules]
    if missing:
        pipe.send(f"{', '.join(missing)} could not be imported ahead")
        return
    from knotes import private

    # After a device is initialized (CUDA above all) a fork of the process is unusable.
    started = private.device_started()
    pipe.send("a TensorFlow device was initialized before the fork" if started else "")


def _start(target: Any, *arguments: Any) -> Any:
    """Start `target` in a fork of the server, without re-running this process's main module."""
    main = sys.modules["__main__"]
    names = ["__file__", "__spec__"]
    saved = {name: main.__dict__.pop(name) for name in names if name in main.__dict__}
    main.__spec__ = None
    try:
        process = _server().Process(target=target, args=arguments, daemon=True)
        process.start()
    finally:
        main.__dict__.update(saved)
    return process


def _become_kernel(argv: list[str], env: dict[str, str], cwd: str, quiet: bool) -> None:
    """In the fork: be the kernel that the command line ``ipykernel_launcher ARGV`` would be."""
    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    os.environ["JPY_PARENT_PID"] = str(os.getppid())
    os.chdir(cwd)
    if quiet:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    # The kernel is a main process of its own, free to have children, not a worker of ours.
    mp.process._parent_process = None  # type: ignore[attr-defined]
    me = mp.current_process()
    me.name, me._config["daemon"] = "MainProcess", False  # type: ignore[attr-defined]
    sys.path.insert(0, cwd)
    sys.argv = ["ipykernel_launcher", *argv]
    sys.modules.pop("__mp_main__", None)
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(argv=argv)


class _Process:
    """The part of `subprocess.Popen` that LocalProvisioner uses, over a multiprocessing one."""

    stdin = stdout = stderr = None

    def __init__(self, process: Any) -> None:
        self.process = process
        self.pid: int = process.pid

    def poll(self) -> int | None:
        code: int | None = self.process.exitcode
        return code

    def wait(self, timeout: float | None = None) -> int | None:
        self.process.join(timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.process.kill()

    def terminate(self) -> None:
        self.process.terminate()


class Provisioner(LocalProvisioner):  # type: ignore[misc]
    """Launch Python kernels, as forks of the server or cold; anything else as usual."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        if "ipykernel_launcher" not in cmd:
            return await super().launch_kernel(cmd, **kwargs)
        if tracing():
            cmd = [*cmd, f"--InteractiveShellApp.extra_extensions={USES}"]
        if os.environ.get(KERNELS) == "cold":
            return await super().launch_kernel(cmd, **kwargs)
        if broken():
            print(f"knotes: cold kernel: {broken()}", file=sys.stderr)
            return await super().launch_kernel(cmd, **kwargs)
        argv = cmd[cmd.index("ipykernel_launcher") + 1 :]
        cwd = str(kwargs.get("cwd") or os.getcwd())
        env = dict(kwargs.get("env") or os.environ)
        quiet = kwargs.get("stderr") is not None
        process = _start(_become_kernel, argv, env, cwd, quiet)
        self.process = _Process(process)
        self.pid, self.cwd = process.pid, cwd
        # The fork leads its own session only after setsid; signals go to the process alone.
        self.pgid = None
        return self.connection_info
