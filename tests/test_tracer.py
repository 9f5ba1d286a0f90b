"""trace: which method ran when, and classes left as they were."""

import keras
import numpy as np
import pytest

import knotes

X = np.ones((2, 4), np.float32)


class Linear(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")

    def call(self, x):
        return x @ self.kernel


class Pair(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = Linear(3, name="first")
        self.second = Linear(2, name="second")

    def call(self, x, training=False):
        return self.second(self.first(x))


class Add(keras.layers.Layer):
    def call(self, a, b):
        return a + b


def test_eager_call():
    with knotes.trace(Linear) as log:
        Linear(3)(X)
    assert log.calls == ["Linear.__init__", "Linear.__call__", "Linear.build", "Linear.call"]
    assert repr(log) == (
        "1 Linear.__init__(units=3)\n"
        "2 Linear.__call__(x: (2, 4))\n"
        "3   Linear.build((2, 4))\n"
        "4   Linear.call(x: (2, 4))"
    )
    assert len(log) == 4


def test_count():
    with knotes.trace(Linear, Add) as log:
        layer = Linear(3)
        layer(X)
        layer(X)
        Add()(X, X)
    assert log.count("build") == 2
    assert log.count("Linear.build") == 1
    assert log.count("call") == 3
    assert log.count("get_config") == 0


def test_html_keeps_the_indentation():
    with knotes.trace(Linear, methods=("__call__", "build")) as log:
        Linear(3)(X)
    assert "<td>\u00a0\u00a0Linear.build((2, 4))</td>" in log._repr_html_()
    assert '<td class="number">1</td><td>Linear.__call__(x: (2, 4))</td>' in log._repr_html_()


def test_symbolic_call():
    with knotes.trace(Linear) as log:
        Linear(3)(keras.KerasTensor((None, 4)))
    assert repr(log).splitlines()[:4] == [
        "1 Linear.__init__(units=3)",
        "2 Linear.__call__(x: symbolic (None, 4))",
        "3   Linear.build((None, 4))",
        "4   Linear.compute_output_spec(x: symbolic (None, 4))",
    ]


def test_nested_layers_are_told_apart_by_name():
    with knotes.trace(Pair, Linear, methods=("__call__", "call")) as log:
        pair = Pair(name="pair")
        pair(X)  # builds by a symbolic call
        log.entries.clear()
        pair(X, training=True)
    assert repr(log) == (
        "1 Pair.__call__(x: (2, 4), training=True)\n"
        "2   Pair.call(x: (2, 4), training=True)\n"
        "3     Linear[first].__call__(x: (2, 4))\n"
        "4       Linear[first].call(x: (2, 4))\n"
        "5     Linear[second].__call__(x: (2, 3))\n"
        "6       Linear[second].call(x: (2, 3))"
    )


def test_config_methods():
    with knotes.trace(Linear, methods=("__init__", "get_config", "from_config")) as log:
        layer = Linear(3, name="one")
        Linear.from_config({"units": layer.get_config()["units"], "name": "two"})
    assert [line.strip() for line in log.lines()] == [
        'Linear[one].__init__(units=3, name="one")',
        "Linear[one].get_config()",
        "Linear.from_config(config={units, name})",
        'Linear[two].__init__(units=3, name="two")',
    ]
    assert log.entries[3].depth == 1


def test_several_inputs():
    with knotes.trace(Add, keras.layers.Concatenate, methods=("__call__",)) as log:
        Add()(X, b=X)
        keras.layers.Concatenate()([X, X])
    assert log.lines() == [
        "Add.__call__(a: (2, 4), b: (2, 4))",
        "Concatenate.__call__(inputs: [(2, 4), (2, 4)])",
    ]


def test_a_base_class_and_its_subclass_log_a_shared_method_once():
    with knotes.trace(keras.layers.Layer, Linear, methods=("__call__", "__init__")) as log:
        Linear(3)(X)
    assert log.calls == ["Linear.__init__", "Layer.__init__", "Linear.__call__"]
    assert [entry.depth for entry in log.entries] == [0, 1, 0]


def test_describing_a_traced_layer_is_not_logged():
    with knotes.trace(Linear, keras.layers.TimeDistributed) as log:
        keras.layers.TimeDistributed(Linear(3))
    assert log.calls == ["Linear.__init__", "TimeDistributed.__init__"]
    assert log.lines()[1] == "TimeDistributed.__init__(layer=Linear(units=3))"


def test_an_error_is_logged_and_passed_on_and_the_class_restored():
    before = dict(vars(Linear))
    log = None

    def run():
        nonlocal log
        with knotes.trace(Linear) as log:
            Linear()

    with pytest.raises(TypeError, match="units"):
        run()
    assert log.lines() == ["Linear.__init__() raises TypeError"]
    assert dict(vars(Linear)) == before


def test_the_class_is_restored():
    class Fresh(Linear):
        def call(self, x):
            return x

    before = dict(vars(Fresh))
    with knotes.trace(Fresh):
        assert vars(Fresh)["call"] is not before["call"]
        assert "__call__" in vars(Fresh)
    assert dict(vars(Fresh)) == before


def test_a_method_that_the_block_itself_removed_stays_away():
    class Short(Linear):
        pass

    with knotes.trace(Short, methods=("call",)):
        del Short.call
    assert "call" not in vars(Short)


def test_nothing_is_logged_after_the_block():
    with knotes.trace(Linear) as log:
        layer = Linear(3)  # Keras keeps its bound `build`
    layer(X)
    assert log.calls == ["Linear.__init__"]


def test_keras_sees_the_same_arguments():
    with knotes.trace(Linear, Pair, Add):
        linear, pair = Linear(3), Pair()
        config = linear.get_config()
        pair(X, training=True)
        np.testing.assert_array_equal(Add()(X, X), X + X)
    assert config["units"] == 3
    assert linear._call_signature.parameters.keys() == {"x"}
    assert pair._call_has_training_arg


def test_training_with_fit():
    with knotes.trace(Linear, methods=("build", "call")) as log:
        model = keras.Sequential([Linear(1)])
        model.compile("sgd", "mse")
        model.fit(X, np.ones((2, 1)), verbose=0)
    assert log.count("build") == 1
    assert log.count("call") >= 1
    assert "symbolic" in log.lines()[-1]


def test_static_and_class_methods_and_plain_classes():
    class Tools:
        @staticmethod
        def double(value):
            return 2 * value

        @classmethod
        def make(cls, *values):
            return cls, values

        def twice(self, *values):
            return values

    with knotes.trace(Tools, methods=("double", "make", "twice")) as log:
        assert Tools.double(2) == 4
        assert Tools.make(1, "a") == (Tools, (1, "a"))
        assert Tools().twice(X, {"k": 1})[1] == {"k": 1}
    assert log.lines() == [
        "Tools.double(value=2)",
        'Tools.make(1, "a")',
        "Tools.twice((2, 4), {k})",
    ]
    assert isinstance(vars(Tools)["double"], staticmethod)


def test_bad_arguments():
    def enter(*classes, **arguments):
        with knotes.trace(*classes, **arguments):
            pass

    with pytest.raises(TypeError, match="classes: expected classes, got Linear"):
        enter(Linear(3))
    with pytest.raises(ValueError, match="classes: expected at least one class, got none"):
        enter()
    with pytest.raises(ValueError, match="methods: no class has a method 'biuld'"):
        enter(Linear, methods=("biuld",))
