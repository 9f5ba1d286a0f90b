"""The private parts of Keras and TensorFlow that this project uses: all of them, and no others.

One small function each, which says what it gives and why no public way does. A lint rule keeps
``keras.src`` and ``tensorflow.python`` out of every other module; ``tests/test_private.py`` names
the part that a new release has moved.
"""

import functools
import types
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

#: What Keras counts and draws for the whole program: see `program_state`.
_STATE = ("object_name_uids", "global_seed_generator", "global_random_seed")
_TRANSLATION = "tensorflow.python.autograph.impl.api"
_COMPILATION = "keras.src.trainers.compile_utils"
#: What `watch_translated` and `watch_compiled` replace: module and name.
WATCHED = (
    (_TRANSLATION, "converted_call"),
    (_TRANSLATION, "_TRANSPILER"),
    (_COMPILATION, "get_loss"),
    (_COMPILATION, "get_metric"),
)

# --- state of the program


def program_state() -> dict[str, Any]:
    """Counters of automatic names, seed generator and seed (``global_random_seed``) of Keras.

    Public is only to set the seed (`keras.utils.set_random_seed`) and to drop everything
    (`keras.utils.clear_session`), models included.
    """
    from keras.src.backend.common import global_state

    return {name: global_state.get_global_attribute(name) for name in _STATE}


def set_program_state(state: Mapping[str, Any]) -> None:
    """Put back what `program_state` gave."""
    from keras.src.backend.common import global_state

    for name, value in state.items():
        global_state.set_global_attribute(name, value)


def restart_names() -> None:
    """Number automatic names (``dense``, ``dense_1``, …) from the start again.

    Public is only `keras.utils.clear_session`, which drops the rest of the state, too.
    """
    set_program_state({"object_name_uids": None})


def device_started() -> bool:
    """Whether TensorFlow has initialized a device: after that no fork of the process works.

    Every public question about devices initializes them.
    """
    from tensorflow.python.eager import context

    return bool(context.context()._initialized)


# --- what objects are


def mask_of(tensor: Any) -> Any:
    """The mask that a layer has put on its output, or None.

    Keras hands it from layer to layer by itself and has no public name for it.
    """
    return getattr(tensor, "_keras_mask", None)


def first_name(value: Any) -> str | None:
    """The name that a public class or function was first exported under.

    Public are all of its names alike: ``keras.layers.MaxPool2D`` and ``MaxPooling2D``.
    """
    from keras.src.api_export import get_name_from_symbol

    name: str | None = get_name_from_symbol(value)
    return name


def functional_model() -> Any:
    """The class of ``keras.Model(inputs, outputs)``: no public class, and its constructor has
    the parameters."""
    from keras.src.models.functional import Functional

    return Functional


def preprocessing_bases() -> tuple[Any, ...]:
    """The private classes under preprocessing layers, whose methods are hooks for their authors.

    No public class stands between them and `keras.Layer`.
    """
    from keras.src.layers.preprocessing.data_layer import DataLayer
    from keras.src.layers.preprocessing.image_preprocessing import base_image_preprocessing_layer

    return base_image_preprocessing_layer.BaseImagePreprocessingLayer, DataLayer


def objects_by_name(family: str) -> Mapping[str, Any]:
    """What texts stand for in a family such as ``initializers``; empty where there is no list.

    The public `get` makes an object of the text, and making an initializer draws a seed: the
    page would change.
    """
    known: Mapping[str, Any] = getattr(import_module(f"keras.src.{family}"), "ALL_OBJECTS_DICT", {})
    return known


# --- what is called behind the scenes


def watch_translated(note: Callable[[Any, tuple[Any, ...], dict[str, Any]], None]) -> None:
    """Tell of each call in code that ``tf.function`` has translated, after it: function, arguments.

    The translation is made from the source in a file, past any rewriting of it.
    """

    def noting(original: Any) -> Any:
        def converted_call(
            f: Any, args: Any, kwargs: Any, caller_fn_scope: Any = None, options: Any = None
        ) -> Any:
            result = original(f, args, kwargs, caller_fn_scope, options)
            note(f, tuple(args), dict(kwargs or {}))
            return result

        return converted_call

    _wrap(_TRANSLATION, "converted_call", noting)
    # the one in use has copied the functions it calls when it translated for the first time
    module = import_module(_TRANSLATION)
    setattr(module, "_TRANSPILER", module.PyToTF())  # noqa: B010


def watch_compiled(note: Callable[[Any], None]) -> None:
    """Tell what losses and metrics that ``compile`` got as text or function have become.

    They are made only when shapes are known, by Keras itself. Public is the finished model, in
    which a text cannot be told from an object.
    """

    def noting(original: Any) -> Any:
        def resolve(identifier: Any, *args: Any, **kwargs: Any) -> Any:
            made = original(identifier, *args, **kwargs)
            if isinstance(identifier, str | types.FunctionType):
                # a function in the wrapper that gives it a name and a reduction
                inner = getattr(made, "fn", None) or getattr(made, "_fn", None)
                wrapper = type(made).__name__.endswith("Wrapper")
                note(inner if wrapper and inner else made)
            return made

        return resolve

    for name in ("get_loss", "get_metric"):
        _wrap(_COMPILATION, name, noting)


def _wrap(place: str, name: str, wrapper: Callable[[Any], Any]) -> None:
    """Replace a function of a module by what `wrapper` makes of it."""
    module = import_module(place)
    original = getattr(module, name)
    setattr(module, name, functools.wraps(original)(wrapper(original)))
