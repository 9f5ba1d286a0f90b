"""Other rounding environments: each changes rounding, and a page that hangs on it is seen."""

import numpy as np
import pytest
import tensorflow as tf

from knotes.pipeline import noise, record, weather
from knotes.pipeline.engine import Run
from tests.conftest import notebook_of

TRAINED = """
import knotes

knotes.setup()

import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
model = keras.Sequential([keras.layers.Dense(32, "tanh"), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.5), "mse")
loss = model.fit(x, x[:, :1] ** 2, epochs=80, verbose=0).history["loss"][-1]
"""


@pytest.fixture
def exact(monkeypatch):
    """Undo the noise after a test."""
    monkeypatch.setattr(tf.GradientTape, "gradient", tf.GradientTape.gradient)


def test_noise_changes_gradients_by_a_millionth_and_repeats(exact):
    v = tf.Variable(np.linspace(1, 2, 500, dtype="float64"))
    noise.load_ipython_extension(None)

    def factors(size):
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(size * v**2)
        return tape.gradient(y, v) / (2 * size * v) - 1

    first, other, again = factors(1), factors(3), factors(1)
    assert 0.9 * noise.SIZE < np.abs(first).max() <= noise.SIZE
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.5 * noise.SIZE


def test_noise_leaves_sparse_gradients_sparse_and_missing_ones_missing(exact):
    noise.load_ipython_extension(None)
    v, unused = tf.Variable(tf.ones((4, 2))), tf.Variable(1.0)
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.gather(v, [1, 1, 3]))
    sparse, missing = tape.gradient(y, [v, unused])
    assert isinstance(sparse, tf.IndexedSlices)
    assert missing is None


def test_each_environment_is_that_of_the_kernel_and_no_page_is_warned(tmp_path):
    for one in (weather.PINNED, *weather.WEATHERS.values()):
        names = list(one.variables)
        code = (
            "import warnings\nwarnings.simplefilter('error')\nimport knotes\nknotes.setup()\n"
            f"import os\nprint([os.environ[name] for name in {names}])"
        )
        with Run("cold", weather=one) as run:
            (cell,) = run.page(notebook_of(code), tmp_path, more=False).notebook.cells
        assert [o["text"] for o in cell.outputs] == [f"{list(one.variables.values())}\n"]


def test_a_page_that_hangs_on_the_last_digits_fails_and_one_that_does_not_passes(
    book, write_page, capfd
):
    write_page(TRAINED, "print(repr(loss))", name="hangs")
    write_page(TRAINED, "print(loss < 1e3)", name="holds")
    (book.root / "conftest.py").write_text("pytest_plugins = ['knotes.pipeline.nbval_plugin']\n")
    with record.Recorder(book) as recorder:
        assert not [e for _, e in recorder.record(book.pages()) if isinstance(e, Exception)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(book.root)
        for name in ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
            patch.delenv(name, raising=False)
        assert weather.main(["--only=noise"]) == 1
        told = capfd.readouterr().out
        assert "book.part.hangs  noise 1\nSome outputs differ." in told
        assert "holds" not in told


def test_a_turn_is_one_environment_over_the_whole_book(book, write_page, monkeypatch):
    write_page("1")
    seen = []

    def verify(book, pages, name, options):
        seen.append((name, pages))
        return 0, weather.Counter()

    monkeypatch.setattr(weather, "_verify", verify)
    monkeypatch.chdir(book.root)
    for day in range(1, 11):
        monkeypatch.setattr(weather, "today", lambda day=day: day)
        assert weather.main(["--turn"]) == 0
    assert {name for name, _ in seen} == set(weather.WEATHERS)
    assert len(seen) == 10
    assert all(pages == [book.folder] for _, pages in seen)


def test_a_wrong_page_is_named(book, monkeypatch, capsys):
    monkeypatch.chdir(book.root)
    assert weather.main(["book/none.md"]) == 1
    assert "'book/none.md' is not a page" in capsys.readouterr().err
