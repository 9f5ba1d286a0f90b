"""What the code of a page uses of Keras' public API, noted while the page runs.

An IPython extension, loaded by `knotes.pipeline.warm` into every kernel that records or verifies.
The source of each cell is rewritten before it runs, so that every call ``f(x)`` written in it
becomes ``mark(f)(x)``. `mark` gives `f` back untouched unless it is a public class, function,
method or object of Keras; then the call is noted and made. A call that Keras makes to itself
therefore cannot count, and neither can a name that is only mentioned. Two things are wrapped
besides: what turns the names given to ``compile`` into losses and metrics, and the calls of
functions that ``tf.function`` has translated.

The reader's helpers (``knotes.shapes``, ``knotes.arguments`` ...) are rewritten when they are
imported: what they call of what a page hands to them counts as used through ``knotes``.

A parameter counts when it is required or was given a value other than its default, in a call that
did not raise. For each cell the note is, empty parts left out:

    {"calls": ["keras.layers.Dense(activation, units)"],   called by the page
     "knotes": […],                                        called by knotes for the page
     "named": ["keras.activations.relu"],                  given by name: activation="relu"
     "subclassed": ["keras.Layer(build, call)"],           subclassed, with what it overrides
     "raised": ["keras.layers.Dense"]}                     calls that raised
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any

from knotes.pipeline.api import inventory

MARK, HELPER_MARK, CLASS_MARK = "__knotes_mark__", "__knotes_helper__", "__knotes_class__"
#: The expression that gives the notes of a kernel, as JSON.
REPORT = "__import__('knotes.pipeline.api.uses', fromlist=['']).report()"

# Types of which no instance is part of Keras; the quick way out for most calls.
_PLAIN = (types.BuiltinFunctionType, types.BuiltinMethodType, types.MethodWrapperType)
# What an argument of such a name may be given as text, and who turns the text into an object.
_FAMILIES = {
    "activation": "activations",
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "optimizer": "optimizers",
    "dtype": "dtype_policies",
}


class Marker(ast.NodeTransformer):
    """Rewrites each call ``f(x)`` to ``mark(f)(x)``, and marks classes."""

    def __init__(self, mark: str = MARK, *, only_names: bool = False) -> None:
        """`only_names` leaves ``a.b(x)`` alone and marks ``f(x)``."""
        self.mark, self.only_names = mark, only_names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not self.only_names or isinstance(node.func, ast.Name):
            node.func = self._marked(node.func)
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        bare = [not isinstance(decorator, ast.Call) for decorator in node.decorator_list]
        self.generic_visit(node)
        if not self.only_names:
            node.decorator_list = [
                self._marked(decorator) if plain else decorator
                for decorator, plain in zip(node.decorator_list, bare, strict=True)
            ]
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        if not self.only_names:
            last = node.decorator_list[-1] if node.decorator_list else node
            name = ast.copy_location(ast.Name(CLASS_MARK, ast.Load()), last)
            node.decorator_list.append(name)
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self.generic_visit(node)
        return ast.fix_missing_locations(node)

    def _marked(self, function: ast.expr) -> ast.expr:
        name = ast.Name(self.mark, ast.Load())
        return ast.copy_location(ast.Call(name, [function], []), function)


class Recorder:
    """Notes what is used of the public API, cell by cell."""

    def __init__(self) -> None:
        """Know nothing yet: it is the page that imports Keras."""
        self.objects: dict[int, tuple[str, Any]] = {}
        self.methods: dict[Any, dict[str, str]] = {}
        self.functions: dict[int, str] = {}  # methods as their class has them
        self.cells: list[tuple[str, dict[str, Any]]] = []

    def knows(self) -> bool:
        """Whether Keras is there; the first time that it is, learn its public names."""
        if not self.objects and "keras" in sys.modules:
            self.objects = {id(o): (name, o) for name, o in inventory.public_objects().items()}
            self.methods = inventory.own_methods()
            self.functions = {
                id(inspect.getattr_static(cls, name)): full
                for cls, methods in self.methods.items()
                for name, full in methods.items()
            }
            _watch_autograph(self)
            _watch_compile(self)
        return bool(self.objects)

    def start_cell(self, source: str) -> None:
        """From now on notes belong to the cell with this source."""
        self.cells.append((source, {}))

    def mark(self, function: Any, part: str = "calls") -> Any:
        """Give `function` back, or a stand-in that notes the call and makes it."""
        if type(function) in _PLAIN or not self.knows():
            return function
        target = self.identify(function)
        if target is None:
            return function
        return functools.partial(self.call, part, target, function)

    def mark_class(self, cls: Any) -> Any:
        """Note a class of a page that derives from a public one; gives the class back."""
        for base in cls.__mro__[1:] if self.knows() else ():
            if base in self.methods:
                self._note("subclassed", self.name_of(base)).update(
                    name
                    for name, value in vars(cls).items()
                    if inventory.is_method(value) and hasattr(base, name)
                    if not name.startswith("_") or name in ("__init__", "__call__")
                )
                break
        return cls

    def call(
        self, part: str, target: _Target, run: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Run a call and note it under `part`, or as raised."""
        try:
            result = run(*args, **kwargs)
        except BaseException:
            self._note("raised", target.name)
            raise
        self.note(part, target, args, kwargs)
        return result

    def note(
        self, part: str, target: _Target, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """Note a call that went well, with the parameters that count."""
        given = target.given(args, kwargs)
        self._note("subclassed" if target.subclass else part, target.name).update(_counted(given))
        if target.call_of is not None:
            values = target.call_of.given(args, kwargs)
            self._note(part, target.call_of.name).update(_counted(values))
        space = target.name.rpartition(".")[0].removeprefix("keras.")
        for name, (value, _) in given.items():
            family = next((f for key, f in _FAMILIES.items() if key in name), None)
            if name == "identifier" and target.name.endswith(".get"):
                family = space
            if family:
                self._note_names(value, family)

    def _note_names(self, value: Any, family: str) -> None:
        """Note what is given to another object by name or as a function: ``activation="relu"``."""
        # Looked up, not made: making an initializer draws a seed, and the page would change.
        known = getattr(import_module(f"keras.src.{family}"), "ALL_OBJECTS_DICT", {})
        for one in _flat(value):
            if isinstance(one, str) and family == "dtype_policies":
                self._note("named", "keras.DTypePolicy")
            elif isinstance(one, str):
                self._note_object(known.get(one) or known.get(one.lower()))
            elif isinstance(one, types.FunctionType):
                self._note_object(one)

    def _note_object(self, made: Any) -> None:
        """Note the public class or function that a text was turned into."""
        for candidate in (made, type(made)):
            found = self.objects.get(id(candidate))
            if found:
                self._note("named", found[0])
                return

    def _note(self, part: str, name: str) -> set[str]:
        """The set of what is noted for a name in the running cell."""
        if not self.cells:
            self.start_cell("")
        noted: set[str] = self.cells[-1][1].setdefault(part, {}).setdefault(name, set())
        return noted

    # --- what is called?

    def identify(self, function: Any) -> _Target | None:
        """The public symbol that a call of `function` uses, or None."""
        known = self.objects.get(id(function))
        if known:
            return _Target(known[0], inspect.isclass(function), function)
        if inspect.isclass(function):
            for base in function.__mro__[1:]:
                if base in self.methods:
                    return _Target(self.name_of(base), True, base, subclass=True)
            return None
        if isinstance(function, types.FunctionType | types.MethodType):
            return self._identify_method(function)
        return self._identify_object(function)

    def name_of(self, cls: Any) -> str:
        """The public name of a class."""
        return self.objects[id(cls)][0]

    def _identify_method(self, function: Any) -> _Target | None:
        # Keras replaces `build` and others of an instance by functions around the bound method.
        while not isinstance(function, types.MethodType):
            if id(function) in self.functions:  # keras.Model.fit(model, …)
                return _Target(self.functions[id(function)], False, function)
            if not hasattr(function, "__wrapped__"):
                return None
            function = function.__wrapped__
        owner, name, made = function.__self__, function.__name__, function.__func__
        cls = owner if inspect.isclass(owner) else type(owner)
        if name == "__init__":  # of super()
            bases: list[Any] = [base for base in cls.__mro__[1:] if base in self.methods]
            base = next((base for base in bases if base.__init__ is made), None)
            return _Target(self.name_of(base), True, base) if base else None
        # what a page overrides is the page's own
        source = getattr(getattr(made, "__code__", None), "co_filename", "")
        if not source.startswith(sys.modules["keras"].__path__[0]):
            return None
        return self._method(cls, name, function)

    def _method(self, cls: Any, name: str, function: Any) -> _Target | None:
        for base in cls.__mro__:
            full = self.methods.get(base, {}).get(name)
            if full:
                return _Target(full, False, function)
        return None

    def _identify_object(self, value: Any) -> _Target | None:
        """A layer, loss, metric … that is called."""
        cls = type(value)
        target = self._method(cls, "__call__", value)
        if target is not None and "call" in self.methods.get(cls, {}):
            target.call_of = _Target(self.methods[cls]["call"], False, value.call)
        return target


def _counted(given: Mapping[str, tuple[Any, Any]]) -> set[str]:
    return {name for name, (value, default) in given.items() if differs(value, default)}


class _Target:
    """A public symbol that is about to be called, and how its arguments are named."""

    def __init__(self, name: str, is_class: bool, function: Any, *, subclass: bool = False) -> None:
        self.name, self.is_class, self.function = name, is_class, function
        self.subclass = subclass
        self.call_of: _Target | None = None

    def given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """The arguments of a call by parameter, each with its default."""
        if self.is_class:
            if self.subclass:
                return {}
            function = inventory.constructor_of(self.function)
            args = (None, *args)
        else:
            function = self.function
        try:
            signature = inspect.signature(function)
            bound = signature.bind_partial(*args, **kwargs).arguments
        except (TypeError, ValueError):
            return {}
        known = dict(signature.parameters)
        if self.is_class:
            more = {name: p for name, (_, p) in inventory.inherited_of(self.function).items()}
            known = {**more, **inventory.parameters_of(self.function), **known}
        result = {}
        for name, value in bound.items():
            kind = known[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                result.update({n: (v, known[n].default) for n, v in value.items() if n in known})
            elif kind is not inspect.Parameter.VAR_POSITIONAL and name != "self":
                result[name] = (value, known[name].default)
        return result


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
    else:
        yield value


def differs(value: Any, default: Any) -> bool:
    """Whether an argument was given something other than its default (a required one always is).

    Ways of writing the default are the default: ``1`` for ``(1, 1)``, ``[2, 2]`` for ``(2, 2)``,
    ``GlorotUniform()`` for ``"glorot_uniform"``.
    """
    if default is inspect.Parameter.empty:
        return True
    if value is default:
        return False
    if isinstance(default, str):
        return _spelled(value) != _spelled(default)
    if isinstance(default, tuple):
        if isinstance(value, list):
            value = tuple(value)
        elif isinstance(value, int):
            value = (value,) * len(default)
    if isinstance(default, list) and isinstance(value, tuple):
        value = list(value)
    simple = (bool, int, float, str, tuple, list, dict, type(None))
    if isinstance(value, simple) and isinstance(default, simple):
        return bool(value != default)
    return True


def _spelled(value: Any) -> str:
    """A name without regard to its spelling; an object that is as its class makes it, by name."""
    if isinstance(value, str):
        return value.replace("_", "").lower()
    if isinstance(value, types.FunctionType):
        return value.__name__.replace("_", "").lower()
    try:
        defaults = inspect.signature(type(value).__init__).parameters
        config = {k: v for k, v in value.get_config().items() if k != "seed"}
        plain = all(v == defaults[k].default for k, v in config.items())
    except Exception:  # classes of a page may do anything
        return ""
    return type(value).__name__.lower() if plain else ""


# --- installed into a kernel


class _HelperLoader(SourceFileLoader):
    """Loads a module of the reader's side with its calls marked; nothing of it is cached."""

    def get_code(self, fullname: str) -> Any:
        tree = ast.parse(self.get_data(self.path), self.path)
        return compile(Marker(HELPER_MARK, only_names=True).visit(tree), self.path, "exec")


class _HelperFinder(MetaPathFinder):
    """Finds the modules of the reader's side before the usual finders do."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith("knotes.") or fullname.startswith("knotes.pipeline"):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _HelperLoader(fullname, spec.loader.path)
        return spec


_recorder: Recorder


def load_ipython_extension(shell: Any) -> None:
    """Start noting in this kernel."""
    global _recorder  # noqa: PLW0603
    _recorder = recorder = Recorder()
    setattr(builtins, MARK, recorder.mark)
    setattr(builtins, HELPER_MARK, functools.partial(recorder.mark, part="knotes"))
    setattr(builtins, CLASS_MARK, recorder.mark_class)
    for name in [n for n in sys.modules if n.startswith("knotes.")]:
        if not name.startswith("knotes.pipeline"):
            del sys.modules[name]  # imported by the pipeline, unmarked: the page gets its own
    sys.meta_path.insert(0, _HelperFinder())
    shell.ast_transformers.append(Marker())
    shell.events.register("pre_run_cell", lambda info: recorder.start_cell(info.raw_cell))


def _watch_autograph(recorder: Recorder) -> None:
    """Note the calls of functions that ``tf.function`` has translated from their source."""
    from tensorflow.python.autograph.impl import api

    original = api.converted_call

    @functools.wraps(original)
    def converted_call(
        f: Any, args: Any, kwargs: Any, caller_fn_scope: Any = None, options: Any = None
    ) -> Any:
        result = original(f, args, kwargs, caller_fn_scope, options)
        target = None if type(f) in _PLAIN else recorder.identify(f)
        if target is not None:
            recorder.note("calls", target, tuple(args), dict(kwargs or {}))
        return result

    api.converted_call = converted_call


def _watch_compile(recorder: Recorder) -> None:
    """Note what losses and metrics given to ``compile`` by name become once shapes are known."""
    from keras.src.trainers import compile_utils

    def watched(name: str) -> None:
        original = getattr(compile_utils, name)

        @functools.wraps(original)
        def resolve(identifier: Any, *args: Any, **kwargs: Any) -> Any:
            made = original(identifier, *args, **kwargs)
            if isinstance(identifier, str | types.FunctionType):
                # a function in the wrapper that gives it a name and a reduction
                inner = getattr(made, "fn", None) or getattr(made, "_fn", None)
                wrapper = type(made).__name__.endswith("Wrapper")
                recorder._note_object(inner if wrapper and inner else made)
            return made

        setattr(compile_utils, name, resolve)

    watched("get_loss")
    watched("get_metric")


def report() -> str:
    """What was noted so far: JSON, a list with source and notes of each cell that has run."""
    return json.dumps([(source, _sorted(noted)) for source, noted in _recorder.cells])


if "keras" in sys.modules:  # in the server of warm kernels, once for all its forks
    inventory.own_methods()


def _sorted(noted: Mapping[str, Mapping[str, set[str]]]) -> dict[str, list[str]]:
    return {
        part: [
            f"{name}({', '.join(sorted(found))})" if found else name
            for name, found in sorted(names.items())
        ]
        for part, names in sorted(noted.items())
    }


def parse(entry: str) -> tuple[str, list[str]]:
    """Name and parameters of an entry of a note: ``"keras.layers.Dense(units)"``."""
    name, _, inside = entry.removesuffix(")").partition("(")
    return name, inside.split(", ") if inside else []
