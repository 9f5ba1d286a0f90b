"""The engine: what plain Jupyter would show, and nothing that counts of a page that broke off."""

import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from knotes.pipeline import engine
from knotes.pipeline.engine import Run
from tests.conftest import notebook_of

SWALLOWS = """
import time
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""


@pytest.fixture
def outputs(warm, tmp_path):
    """Run code cells; the outputs of each."""

    def run(*cells):
        result = warm.page(notebook_of(*cells), tmp_path)
        assert not result.broken, result.broken
        assert [cell.fault for cell in result.cells] == [""] * len(cells)
        return [cell.outputs for cell in result.notebook.cells]

    return run


def told(some):
    """Outputs in short: the text of a stream, the plain text of data."""
    return [o["text"] if o["output_type"] == "stream" else o["data"]["text/plain"] for o in some]


def test_what_is_printed_and_what_is_displayed_keep_their_order(outputs):
    (shown,) = outputs("display(1)\nprint('between')\ndisplay(2)\nprint('a')\nprint('b')")
    assert told(shown) == ["1", "between\n", "2", "a\nb\n"]


def test_what_c_code_and_child_processes_print_stands_in_its_place(outputs):
    code = """
        import ctypes, os, subprocess
        c = ctypes.CDLL(None)
        print("one")
        _ = c.printf(b"two\\n")
        print("three", end="")
        _ = os.write(1, "vier ü\\n".encode())
        _ = subprocess.run(["echo", "five"])
        display(6)
        _ = c.puts(b"seven")
        """
    for _ in range(5):  # in plain Jupyter the order is chance
        (shown,) = outputs(code)
        assert told(shown) == ["one\ntwo\nthreevier ü\nfive\n", "6", "seven\n"]


def test_tf_print_is_seen(outputs):
    (shown,) = outputs(
        "import sys, tensorflow as tf\ntf.print('loss', 0.5, output_stream=sys.stdout)"
    )
    assert told(shown) == ["loss 0.5\n"]


def test_displays_are_updated_and_cleared(outputs):
    first, second, third = outputs(
        "h = display('old', display_id=True)",
        "h.update('new')\nprint('gone')\nget_ipython().display_pub.clear_output()\nprint('left')",
        "display(1)\nget_ipython().display_pub.clear_output(wait=True)\ndisplay(2)",
    )
    assert (told(first), told(second), told(third)) == (["'new'"], ["left\n"], ["2"])


def test_a_semicolon_hides_a_value(outputs):
    assert outputs("1 + 1;", "1 + 1")[0] == []


def test_a_value_and_a_display_are_told_apart_and_metadata_are_kept(outputs):
    image = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
        "awAAAABJRU5ErkJggg=="
    )
    result, shown = outputs(
        "2", f"import base64\nfrom IPython.display import Image, display\n"
        f"display(Image(base64.b64decode('{image}'), width=40))"
    )  # fmt: skip
    assert [result[0]["output_type"], shown[0]["output_type"]] == ["execute_result", "display_data"]
    assert shown[0]["metadata"] == {"image/png": {"width": 40}}


def test_raw_and_empty_and_skipped_cells_are_not_run(warm, tmp_path):
    notebook = notebook_of("1", "", ("print('no')", ["nbval-skip"]), "2")
    notebook.cells.insert(1, nbformat.v4.new_raw_cell("raw"))
    result = warm.page(notebook, tmp_path)
    assert [cell.ran for cell in result.cells] == [True, False, False, True]
    assert [c.get("execution_count") for c in result.notebook.cells] == [1, None, None, None, 2]
    assert result.notebook.cells[1].source == "raw"


def test_errors_are_faults_unless_they_are_expected(warm, tmp_path):
    expected = ["raises-exception"]
    cells = ("x = 1\n\nx / 0", ("1 / 0", expected), ("1", expected), "x")
    result = warm.page(notebook_of(*cells), tmp_path)
    faults = [(cell.fault, cell.line) for cell in result.cells]
    assert faults == [
        ("ZeroDivisionError: division by zero", 3),
        ("", 0),
        ("tagged raises-exception, raised none", 0),
        ("", 0),
    ]
    assert told(result.notebook.cells[3].outputs) == ["1"]


def test_a_cell_that_ipython_gives_up_on_is_a_fault(warm, tmp_path):
    expression = "+".join(["1"] * 5000)
    result = warm.page(notebook_of(f"print({expression})", "2"), tmp_path)
    assert (result.broken_at, result.cells[1].ran) == (1, False)
    assert "the kernel gave the cell up: it is idle" in result.broken


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os\nos._exit(3)", "the kernel ended with exit code 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "SIGKILL (out of memory?)"),
        ("import ctypes\nctypes.string_at(0)", "the kernel died of SIGSEGV"),
        ("import os\nos.abort()", "the kernel died of SIGABRT"),
    ],
)
@pytest.mark.parametrize("kernels", ["warm", "cold"])
def test_a_dead_kernel_is_told_at_once(request, kernels, tmp_path, code, reason):
    run = request.getfixturevalue(kernels)
    begin = time.monotonic()
    result = run.page(notebook_of("1", code, "3"), tmp_path)
    assert time.monotonic() - begin < 30
    assert reason in result.broken
    assert result.broken_at == 2
    assert [cell.ran for cell in result.cells] == [True, False, False]


def test_a_time_limit_cannot_be_swallowed(tmp_path):
    with Run("cold", cell_seconds=2) as run:
        result = run.page(notebook_of("1", SWALLOWS, "3"), tmp_path)
    assert (result.broken, result.broken_at) == ("still running after 2 s", 2)


def test_a_flood_of_output_breaks_the_page_off(cold, tmp_path):
    flood = "line = 'x' * 999_999\nfor _ in range(100): print(line)"
    result = cold.page(notebook_of(flood, "2"), tmp_path)
    assert (result.broken, result.broken_at) == ("printed more than 10 MB", 1)
    assert len(str(result.notebook)) < 2 * engine.CELL_OUTPUT


def processes(text):
    """The ids of the processes whose command line holds a text."""
    found = subprocess.run(["pgrep", "-f", text], capture_output=True, text=True, check=False)
    return {int(line) for line in found.stdout.split()} - {os.getpid()}


@pytest.mark.parametrize("kernels", ["warm", "cold"])
def test_children_do_not_outlive_the_page(kernels, tmp_path):
    code = f"import subprocess, sys\n_ = subprocess.Popen(['sleep', '{4000 + len(kernels)}'])"
    with Run(kernels) as run:
        assert not run.page(notebook_of(code), tmp_path, more=False).broken
    assert not processes(f"sleep {4000 + len(kernels)}")


RUNNER = """
import sys, time
from pathlib import Path
from knotes.pipeline.engine import Run
from tests.conftest import notebook_of
run = Run(sys.argv[1])
code = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)"
run.page(notebook_of(code), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("kernels", ["warm", "cold"])
def test_nothing_outlives_a_runner_that_is_killed(kernels, tmp_path):
    command = [sys.executable, "-c", RUNNER, kernels, str(tmp_path)]
    runner = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    pid = tmp_path / "pid"
    deadline = time.monotonic() + 120
    while not (pid.is_file() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    kernel = int(pid.read_text())
    children = processes("knotes.pipeline.kernels.server")
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    own = [p for p in children if parent(p) in (1, None, runner.pid)]
    for process in (kernel, *own):
        while alive(process) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not alive(process)


def parent(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


LEAKS = {
    "home/.ipython/profile_default/startup/leak.py": "leaked = True",
    "home/.ipython/profile_default/ipython_kernel_config.py": (
        "c.InteractiveShellApp.exec_lines = ['leaked = True']"
    ),
    "home/.keras/keras.json": '{"epsilon": 0.5}',
    "home/.config/matplotlib/matplotlibrc": "figure.dpi: 33",
    "start.py": "leaked = True",
}


@pytest.mark.parametrize("kernels", ["warm", "cold"])
def test_nothing_of_the_machine_leaks_in(kernels, tmp_path, monkeypatch):
    for name, text in LEAKS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in {
        "PYTHONSTARTUP": str(tmp_path / "start.py"), "PYTHONOPTIMIZE": "1", "TZ": "Asia/Tokyo",
        "KERAS_MAX_EPOCHS": "1", "LC_ALL": "de_DE.UTF-8", "PYTHONPATH": str(tmp_path),
        "MATPLOTLIBRC": str(tmp_path / "home/.config/matplotlib"), "SECRET_TOKEN": "x",
        "TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": "SSE41",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    code = """
        import os, sys, time
        import keras, matplotlib
        names = ("PYTHONSTARTUP", "KERAS_MAX_EPOCHS", "MATPLOTLIBRC", "SECRET_TOKEN")
        print("leaked" in globals(), __debug__, time.tzname[0], keras.config.epsilon())
        print(matplotlib.rcParams["figure.dpi"] == 33, sorted(set(names) & set(os.environ)))
        print(os.environ["TF_ENABLE_ONEDNN_OPTS"], os.environ["ONEDNN_MAX_CPU_ISA"])
        print(os.listdir(os.path.expanduser("~/ipython")) is None, os.getcwd() in sys.path)
        """
    with Run(kernels) as run:
        result = run.page(notebook_of(code), tmp_path, more=False)
    (shown,) = result.notebook.cells[0].outputs
    assert shown["text"].splitlines()[:3] == [
        "False True UTC 1e-07", "False []", "0 AVX2",
    ]  # fmt: skip


def test_unseeded_numbers_differ_between_pages(outputs):
    code = """
        import keras, numpy as np, random
        print(np.random.rand(), random.random(), keras.random.uniform(()).numpy())
        """
    numbers = {number for _ in range(2) for number in outputs(code)[0][0]["text"].split()}
    assert len(numbers) == 6


def test_the_order_of_sets_hangs_on_the_hash_seed(tmp_path):
    code = 'print({"red", "green", "blue", "black", "white", "yellow"})'
    shown = []
    for seed in (1, 2):
        with Run(hash_seed=seed, preload=["ipykernel.kernelapp"]) as run:
            for _ in range(2):
                result = run.page(notebook_of(code), tmp_path)
                shown.append(result.notebook.cells[0].outputs[0]["text"])
    assert shown[0] == shown[1] != shown[2]


def test_warm_and_cold_kernels_give_the_same(warm, cold, tmp_path):
    cells = (
        "import knotes\n\nknotes.setup()\n\nimport keras\nimport sys",
        "print(keras.random.normal((2, 3), seed=1).numpy())\nkeras.layers.Dense(2).name",
        "knotes.curves([1, 2, 3], {'a': [1, 2, 3]}, xlabel='x', ylabel='y')",
        ("keras.layers.Dense(0)", ["raises-exception"]),
        "import os\nos.getcwd() in sys.path, sys.argv[0], __name__, os.path.basename(os.getcwd())",
    )
    pages = [run.page(notebook_of(*cells), tmp_path).notebook for run in (warm, cold)]
    stored = [[cell.outputs for cell in page.cells] for page in pages]
    assert stored[0] == stored[1]
    assert "image/png" in str(stored[0])


def test_a_page_may_start_processes_of_its_own(outputs):
    code = """
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(1) as pool:
            print(pool.map(abs, [-3]), multiprocessing.parent_process())
        """
    assert told(outputs(code)[0]) == ["[3] None\n"]


def test_runs_are_used_from_several_threads(warm, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        pages = [pool.submit(warm.page, notebook_of(f"{n} * 2"), tmp_path) for n in range(8)]
    values = [told(page.result().notebook.cells[0].outputs) for page in pages]
    assert values == [[str(2 * n)] for n in range(8)]


def test_closing_a_run_ends_the_pages_that_run(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        run = Run("cold")
        page = pool.submit(run.page, notebook_of("import time\ntime.sleep(600)"), tmp_path)
        time.sleep(4)
        begin = time.monotonic()
        run.close()
        assert page.result().broken == "the run was closed"
    assert time.monotonic() - begin < 30


def test_a_wrong_kind_of_kernel_is_named():
    with pytest.raises(ValueError, match="kernels='hot': expected 'warm' or 'cold'"):
        Run("hot")


def test_where_forks_cannot_work_kernels_start_cold_and_say_why(tmp_path):
    with Run(preload=["json"]) as run:
        result = run.page(notebook_of("6 * 7"), tmp_path, more=False)
    assert told(result.notebook.cells[0].outputs) == ["42"]
    assert run.cold == "keras, tensorflow, ipykernel.kernelapp could not be imported ahead"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", ""),
        ("tf.constant(1) + 1", "a TensorFlow device was initialized before the fork"),
        ("threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", "2 threads were"),
    ],
)
def test_a_process_whose_forks_are_no_kernels_knows_it(code, reason):
    imports = "import threading, time, ipykernel.kernelapp, keras, tensorflow as tf\n"
    tell = "\nfrom knotes.pipeline.kernels import server; print(server.unusable())"
    with Run("cold") as run:
        env = run._env(run.cache)
    done = subprocess.run(
        [sys.executable, "-c", imports + code + tell],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip().startswith(reason)
    assert bool(done.stdout.strip()) == bool(reason)


def test_other_systems_start_cold_kernels(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with Run() as run:
        assert "not safe on darwin" in run.cold
