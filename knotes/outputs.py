"""Outputs of a call as arrays, and whether two of them are equal within rounding."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from knotes import private
from knotes.tables import shape_text


@dataclass
class Leaf:
    """One tensor of the outputs: dense, sparse, ragged or symbolic, as an array, with its mask."""

    kind: str
    dtype: str
    values: Any
    mask: Any


#: The shapes of nested outputs as text, and their tensors.
Outputs = tuple[str, list[Leaf]]


def leaves(outputs: Any) -> Outputs:
    """The shapes of nested outputs as text, and their tensors as arrays."""
    import keras

    return shape_text(outputs), [_leaf(one) for one in keras.tree.flatten(outputs)]


def _leaf(tensor: Any) -> Leaf:
    import keras

    kind = type(tensor).__name__
    mask = private.mask_of(tensor)
    if isinstance(tensor, keras.KerasTensor):
        return Leaf("symbolic", str(tensor.dtype), np.empty(0), None)
    if kind == "SparseTensor":
        import tensorflow as tf

        values = np.asarray(tf.sparse.to_dense(tensor))
    else:
        values = np.asarray(tensor.to_tensor() if kind == "RaggedTensor" else tensor)
    kind = {"SparseTensor": "sparse", "RaggedTensor": "ragged"}.get(kind, "dense")
    return Leaf(kind, str(values.dtype), values, None if mask is None else np.asarray(mask))


def equal(a: Any, b: Any) -> bool:
    """Whether two arrays are equal within rounding."""
    if a is None or b is None:
        return a is b
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "fcV" and b.dtype.kind in "fcV":
        a, b = (x.astype(np.complex128 if x.dtype.kind == "c" else np.float64) for x in (a, b))
        scale = max(np.abs(x[np.isfinite(x)]).max(initial=0) for x in (a, b))
        return bool(np.allclose(a, b, rtol=1e-5, atol=1e-6 * scale, equal_nan=True))
    return bool(np.array_equal(a, b))


def same_values(a: Outputs | None, b: Outputs | None) -> bool:
    """Whether outputs hold equal tensors, whatever their nesting."""
    if a is None or b is None:
        return a is b
    return len(a[1]) == len(b[1]) and all(
        equal(x.values, y.values) for x, y in zip(a[1], b[1], strict=True)
    )
