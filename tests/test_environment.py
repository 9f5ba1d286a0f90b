"""setup: the environment of a run, and the lazy package around it."""

import base64
import hashlib
import io
import logging
import os
import subprocess
import sys
import warnings

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

import knotes
from knotes import environment


def in_new_interpreter(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def process(monkeypatch):
    """Undo what setup changes in this process, and start from the right variables."""
    for name, value in environment.VARIABLES.items():
        monkeypatch.setenv(name, value)
    with mpl.rc_context(), np.printoptions():
        yield monkeypatch


class FakeShell:
    """What setup uses of IPython's shell."""

    def __init__(self):
        self.InteractiveTB = self
        self.calls = []

    def set_mode(self, mode):
        self.calls.append(("xmode", mode))

    def enable_matplotlib(self, gui):
        self.calls.append(("matplotlib", gui))


def test_import_loads_nothing_heavy():
    code = (
        "import sys, knotes; "
        "print([m for m in ('tensorflow', 'keras', 'matplotlib', 'numpy') if m in sys.modules])"
    )
    assert in_new_interpreter(code) == "[]"


def test_every_public_name_is_there_and_no_other():
    for name in knotes.__all__:
        assert callable(getattr(knotes, name)), name
    assert dir(knotes) == sorted(knotes.__all__)
    assert set(knotes._HOMES) == set(knotes.__all__)
    with pytest.raises(AttributeError, match="module 'knotes' has no attribute 'tables_of_'"):
        _ = knotes.tables_of_


def test_no_public_name_is_that_of_a_module():
    # importing a module binds its name in the package and would hide the function
    assert not set(knotes.__all__) & set(knotes._HOMES.values())


@pytest.mark.parametrize(
    ("seed", "error"),
    [(-1, ValueError), (2**32, ValueError), ("0", TypeError), (1.0, TypeError), (True, TypeError)],
)
def test_bad_seeds(seed, error):
    with pytest.raises(error, match=rf"seed: expected .* got {seed!r}"):
        knotes.setup(seed)


def test_same_seed_same_numbers(process):
    import keras

    def draw(seed):
        knotes.setup(seed)
        return [np.random.rand(), float(keras.random.normal(()))]  # noqa: NPY002

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


def test_setup_sets_precision_style_and_data_format(process, recwarn):
    import keras
    import tensorflow as tf

    keras.config.set_image_data_format("channels_first")
    np.set_printoptions(precision=8)
    mpl.rcParams["figure.dpi"] = 50
    tf.config.experimental.enable_tensor_float_32_execution(True)
    knotes.setup()
    assert keras.config.image_data_format() == "channels_last"
    assert keras.config.floatx() == "float32"
    assert str(np.array([1 / 3, 1e-9])) == "[0.333 0.   ]"
    assert mpl.rcParams["figure.dpi"] == 110
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    assert not recwarn.list


def test_one_warning_when_tensorflow_was_imported_under_other_values(process):
    import tensorflow  # noqa: F401

    process.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    process.delenv("TF_NUM_INTRAOP_THREADS")
    with pytest.warns(RuntimeWarning) as warned:
        knotes.setup()
    assert len(warned) == 1
    message = str(warned[0].message)
    assert "TF_ENABLE_ONEDNN_OPTS is '1', expected '0'" in message
    assert "TF_NUM_INTRAOP_THREADS is None, expected '1'" in message
    assert "KERAS_BACKEND is" not in message
    assert warned[0].filename == __file__
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0"


def test_variables_are_set_without_a_warning_before_the_import(process, recwarn):
    process.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    process.delenv("KERAS_BACKEND")
    for name in ("tensorflow", "keras"):
        process.delitem(sys.modules, name, raising=False)
    environment._set_variables()
    assert {name: os.environ[name] for name in environment.VARIABLES} == environment.VARIABLES
    assert not recwarn.list


def test_inside_a_notebook(process):
    shell = FakeShell()
    shell.kernel = object()
    formats = []
    process.setattr(environment, "_shell", lambda: shell)
    process.setattr(
        "matplotlib_inline.backend_inline.set_matplotlib_formats",
        lambda *names, **options: formats.append((names, options)),
    )
    knotes.setup()
    assert shell.calls == [("xmode", "Minimal"), ("matplotlib", "inline")]
    assert formats == [(("png",), {"bbox_inches": None, "metadata": {"Software": None}})]


def test_inside_a_terminal_figures_stay_as_they_are(process):
    shell = FakeShell()
    process.setattr(environment, "_shell", lambda: shell)
    knotes.setup()
    assert shell.calls == [("xmode", "Minimal")]


def test_the_shell_is_found_without_importing_ipython(process):
    process.delitem(sys.modules, "IPython", raising=False)
    assert environment._shell() is None
    assert "IPython" not in sys.modules


def test_in_a_real_kernel(process, tmp_path):
    """Figures appear whatever MPLBACKEND says, twice the same, and errors take one line."""
    process.setenv("MPLBACKEND", "agg")
    draw = "knotes.curves([0, 1], {'a': [0, 1], 'b': [1, 0]}, xlabel='x', ylabel='y')"
    cells = ["import knotes\nknotes.setup()", draw, draw, "_ = knotes.figure(4, 2)", "1 / 0"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    first, *drawn, error = [cell.outputs for cell in notebook.cells]
    assert [output for output in first if output.output_type != "stream"] == []
    assert "Exception reporting" not in str(first)
    data = [base64.b64decode(outputs[0].data["image/png"]) for outputs in drawn]
    images = [Image.open(io.BytesIO(png)) for png in data]
    assert [image.size for image in images] == [(704, 429), (704, 429), (440, 220)]
    assert [list(image.info) for image in images] == [["dpi"]] * 3
    assert hashlib.sha256(data[0]).digest() == hashlib.sha256(data[1]).digest()
    assert error[0].ename == "ZeroDivisionError"
    assert len("\n".join(error[0].traceback).strip().splitlines()) == 1


def test_the_python_log_of_tensorflow_is_as_quiet_as_the_other(process):
    knotes.setup()
    assert not logging.getLogger("tensorflow").isEnabledFor(logging.WARNING)
    assert logging.getLogger("tensorflow").isEnabledFor(logging.ERROR)


@pytest.mark.parametrize(
    ("machine", "flags", "reason"),
    [
        ("x86_64", "sse2 fma avx2", ""),
        ("AMD64", None, ""),  # no file that says it: not Linux
        ("x86_64", "sse2 avx fma", "this processor has no avx2"),
        ("x86_64", "sse2", "this processor has no avx2 and no fma"),
        ("arm64", None, "instructions are not fixed on arm64"),
    ],
)
def test_instructions_are_fixed_where_the_processor_has_them(monkeypatch, machine, flags, reason):
    def read(*_):
        if flags is None:
            raise FileNotFoundError
        return f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: avx2\n"

    monkeypatch.setattr(environment.platform, "machine", lambda: machine)
    monkeypatch.setattr(environment.Path, "read_text", read)
    assert environment.lacking() == reason
    assert ("ONEDNN_MAX_CPU_ISA" in environment.fixed()) == (not reason)


def test_another_processor_is_told_in_one_line_and_not_on_pages(process, monkeypatch):
    monkeypatch.setattr(environment, "lacking", lambda: "this processor has no avx2")
    monkeypatch.delenv(environment.REPLACED, raising=False)
    with pytest.warns(RuntimeWarning, match=r"^Last digits may differ: this processor has no avx2"):
        knotes.setup()
    monkeypatch.setenv(environment.REPLACED, "{}")  # as in the kernels of the pipeline
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        knotes.setup()


def test_numpy_before_setup_is_told_of_what_it_has_read():
    code = (
        "import os, warnings\n"
        "for name in ('OPENBLAS_CORETYPE', 'TF_ENABLE_ONEDNN_OPTS'): os.environ.pop(name, None)\n"
        "import numpy, knotes\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    knotes.setup()\n"
        "told = [str(w.message) for w in caught if w.category is RuntimeWarning]\n"
        "print(len(told), 'OPENBLAS_CORETYPE is None, expected' in told[0], 'ONEDNN' in told[0])"
    )
    assert in_new_interpreter(code) == "1 True False"


def test_the_pipeline_may_replace_variables():
    code = (
        "import os, json\n"
        "os.environ['KNOTES_VARIABLES'] = json.dumps({'ONEDNN_MAX_CPU_ISA': 'SSE41'})\n"
        "from knotes import environment\n"
        "print(environment.VARIABLES['ONEDNN_MAX_CPU_ISA'], len(environment.VARIABLES))"
    )
    assert in_new_interpreter(code) == f"SSE41 {len(environment.fixed())}"
