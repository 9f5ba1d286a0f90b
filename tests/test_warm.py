"""Warm kernels: the same results as cold ones, and a clear fallback where they cannot work."""

import os
import signal
import subprocess
import sys

import pytest

from knotes.pipeline import notebooks, record, warm


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name, value in warm.environment.VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JUPYTER_DEFAULT_PROVISIONER_NAME", "local-provisioner")
    yield
    warm.enable("cold", tracing=False)


CELLS = (
    "import knotes\n\nknotes.setup()\n\nimport keras\nimport sys",
    "print(keras.random.normal((2, 3), seed=1).numpy())\nkeras.layers.Dense(2).name",
    """
    ---
    mystnb:
      image:
        alt: one line that goes up
    ---
    knotes.curves([1, 2, 3], {"a": [1, 2, 3]}, xlabel="x", ylabel="y")
    """,
    ":tags: [raises-exception]\nkeras.layers.Dense(0)",
)


def test_warm_and_cold_kernels_give_the_same_bytes(write_page):
    path = write_page(*CELLS)
    stored = []
    for kernels in ("cold", "warm"):
        assert warm.enable(kernels) == ""
        notebook = record.run(path)
        stored.append(notebooks.nbformat.writes(notebook))
    assert warm.broken() == ""
    assert stored[0] == stored[1]
    assert stored[0].count("image/png") == 1


def test_a_kernel_is_a_fork_with_tensorflow_in_it(write_page):
    path = write_page("import os, sys\nprint('tensorflow' in sys.modules, os.getppid())")
    assert warm.enable("warm") == ""
    (cell,) = notebooks.code_cells(record.run(path))
    loaded, parent = cell.outputs[0].text.split()
    assert loaded == "True"
    assert int(parent) != os.getpid()  # the server's child, not ours


def test_a_kernel_may_start_processes_of_its_own(write_page):
    path = write_page(
        """
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(1) as pool:
            print(pool.map(abs, [-3]), multiprocessing.parent_process())
        """
    )
    assert warm.enable("warm") == ""
    (cell,) = notebooks.code_cells(record.run(path))
    assert cell.outputs[0].text == "[3] None\n"


def test_a_kernel_can_be_interrupted_and_killed():
    from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel

    assert warm.enable("warm") == ""
    kernel = RunningKernel(CURRENT_ENV_KERNEL_NAME, cwd=os.getcwd())
    code = "import time; print('begun', flush=True); time.sleep(60)"
    message = kernel.execute_cell_input(code, allow_stdin=False)
    while kernel.get_message("iopub", timeout=20)["msg_type"] != "stream":
        pass  # an interrupt before the cell runs would be lost
    kernel.interrupt()
    kernel.await_reply(message, timeout=20)
    process = kernel.km.provisioner.process
    kernel.stop()
    assert process.wait(20) in (-signal.SIGKILL, 0)


@pytest.mark.parametrize("value", ["", "hot"])
def test_a_wrong_choice_is_named(value):
    with pytest.raises(ValueError, match="expected 'warm' or 'cold'"):
        warm.enable(value)


def test_other_systems_fall_back_with_a_reason(monkeypatch):
    monkeypatch.setattr(warm.sys, "platform", "darwin")
    assert "not safe on darwin" in warm.enable("warm")
    assert os.environ[warm.KERNELS] == "cold"


def test_a_package_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr(warm, "entry_points", lambda **_: [])
    assert "pip install -e ." in warm.enable("warm")
    assert os.environ["JUPYTER_DEFAULT_PROVISIONER_NAME"] == "local-provisioner"
    assert not warm.tracing()


@pytest.mark.parametrize(
    ("preload", "reason"),
    [
        ("'json'", "keras, tensorflow, ipykernel.kernelapp could not be imported ahead"),
        ("*warm.PRELOAD, 'tests.starts_a_device'", "a TensorFlow device was initialized"),
    ],
)
def test_a_broken_server_is_found_and_the_page_still_runs(write_page, preload, reason):
    path = write_page("6 * 7")
    code = (
        "import sys; from pathlib import Path\n"
        "from knotes.pipeline import warm, record\n"
        f"warm.PRELOAD = [{preload}]\n"
        "assert warm.enable('warm') == ''\n"
        "print(record.run(Path(sys.argv[1])).cells[1].outputs[0].data['text/plain'])\n"
        "print(warm.broken())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, check=False, cwd=notebooks.ROOT,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == "42", done.stderr
    assert reason in done.stdout
    assert "knotes: cold kernel: " in done.stderr
