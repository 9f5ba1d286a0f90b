"""What differs between two runs, in a few words each: the most telling first."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from knotes.observations import Seen
from knotes.outputs import Leaf, equal, same_values
from knotes.tables import format_value


def changes(a: Seen, b: Seen) -> list[str]:
    """What differs, most telling first; config or attributes only where nothing else does."""
    found = _shape_changes(a, b) + _dtype_changes(a, b)
    typed = any("dtype" in change for change in found)
    found += _weight_changes(a, b, typed)
    moved = any(c.endswith("initial values") or c.startswith("parameters ") for c in found)
    same_shape = not a.outputs or not b.outputs or a.outputs[0] == b.outputs[0]
    same = same_values(a.outputs, b.outputs)
    if not same and same_shape and not typed and not moved:
        found.append(a.values)
    if same and not typed:
        if not same_values(a.training, b.training):
            found.append("output values in training")
        elif not same_values(a.again, b.again):
            found.append(a.second)
        elif not moved and (state := _differing(a.updated, b.updated)):
            found.append(f"{_names(state)} after a training call")
    found += _loss_changes(a, b, typed or moved)
    if a.outputs and b.outputs:
        found += _mask_changes(a.outputs[1], b.outputs[1])
    if a.name != b.name:
        found.append("name")
    if not found and a.config != b.config:
        found.append("config")
    if not found:
        keys = [key for key in b.attributes if a.attributes.get(key) != b.attributes[key]]
        found += [f"attribute {key}" for key in keys[:2]]
    return found


def _shape_changes(a: Seen, b: Seen) -> list[str]:
    if not a.outputs or not b.outputs:
        return []
    found = []
    if a.outputs[0] != b.outputs[0]:
        found.append(f"{a.noun} shape {a.outputs[0]} → {b.outputs[0]}")
    kinds = [sorted({leaf.kind for leaf in outputs[1]}) for outputs in (a.outputs, b.outputs)]
    if kinds[0] != kinds[1]:
        found.append(f"{a.noun} type {'/'.join(kinds[0])} → {'/'.join(kinds[1])}")
    return found


def _dtype_changes(a: Seen, b: Seen) -> list[str]:
    pairs = {key: (a.dtypes[key], b.dtypes.get(key, "")) for key in a.dtypes}
    if a.outputs and b.outputs:
        both = (a.outputs, b.outputs)
        kinds = ["/".join(dict.fromkeys(x.dtype for x in outputs[1])) for outputs in both]
        pairs[f"{a.noun} dtype"] = (kinds[0], kinds[1])
    texts: dict[str, list[str]] = {}
    for key, (old, new) in pairs.items():
        if old != new:
            texts.setdefault(f"{old} → {new}", []).append(key.removesuffix(" dtype"))
    return [
        f"{_names([key for key in keys if key != 'dtype'])} dtype {text}".strip()
        for text, keys in texts.items()
    ]


def _weight_changes(a: Seen, b: Seen, typed: bool) -> list[str]:
    found = []
    if [w.shape for w in a.weights.values()] == [w.shape for w in b.weights.values()]:
        b = _renamed(b, list(a.weights))
    gone = [path for path in a.weights if path not in b.weights]
    new = [path for path in b.weights if path not in a.weights]
    kept = [path for path in a.weights if path in b.weights]
    if gone:
        found.append(f"drops {_names(gone, 'weights')}")
    if new:
        found.append(f"adds {_names(new, 'weights')}")
    if any(a.weights[path].shape != b.weights[path].shape for path in kept):
        counts = [sum(w.size for w in seen.weights.values()) for seen in (a, b)]
        found.append(f"parameters {counts[0]} → {counts[1]}")
    elif not typed and (differing := _differing(a.weights, b.weights)):
        found.append(f"{_names(differing, 'weights')} initial values")
    if [a.variables.get(p) for p in kept] != [b.variables.get(p) for p in kept]:
        counts = [sum(v == "trainable" for v in seen.variables.values()) for seen in (a, b)]
        found.append(f"trainable weights {counts[0]} → {counts[1]}")
    constrained = [p for p in kept if a.constraints.get(p) != b.constraints.get(p)]
    if constrained:
        found.append(f"constraint on {_names(constrained, 'weights')}")
    return found


def _renamed(seen: Seen, paths: list[str]) -> Seen:
    """The same weights under other paths: a name is no new weight."""

    def rename(values: Mapping[str, Any]) -> dict[str, Any]:
        return dict(zip(paths, values.values(), strict=False))

    return replace(
        seen,
        weights=rename(seen.weights),
        variables=rename(seen.variables),
        constraints=rename(seen.constraints),
    )


def _differing(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return [path for path in a if path in b and not equal(a[path], b[path])]


def _loss_changes(a: Seen, b: Seen, implied: bool) -> list[str]:
    old, new = sum(a.losses), sum(b.losses)
    if len(a.losses) != len(b.losses):
        verb = "adds" if len(b.losses) > len(a.losses) else "drops"
        return [f"{verb} loss {format_value(abs(new - old), 3)}"]
    if not implied and not np.isclose(old, new, rtol=1e-5):
        return [f"loss {format_value(old, 3)} → {format_value(new, 3)}"]
    return []


def _mask_changes(a: list[Leaf], b: list[Leaf]) -> list[str]:
    masks = [[leaf.mask for leaf in leaves if leaf.mask is not None] for leaves in (a, b)]
    if len(masks[0]) != len(masks[1]):
        return ["adds a mask" if len(masks[0]) < len(masks[1]) else "drops the mask"]
    same = all(equal(x, y) for x, y in zip(*masks, strict=True))
    return [] if same else ["mask values"]


def _names(names: list[str], many: str = "values") -> str:
    """A few names, or their number."""
    text = ", ".join(names)
    return text if len(text) <= 45 else f"{len(names)} {many}"
