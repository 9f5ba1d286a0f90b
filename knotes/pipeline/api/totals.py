"""How much is exercised, in numbers, group by group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from knotes.pipeline.api.coverage import Coverage
from knotes.pipeline.api.symbols import APART, CORE, Symbol


@dataclass(frozen=True)
class Row:
    """The numbers of one group of symbols."""

    group: str
    apart: str
    states: Mapping[str, int]
    symbols: int
    pairs: int
    parameters: int

    @property
    def exercised(self) -> int:
        """How many symbols are exercised."""
        return self.states.get("exercised", 0)


def rows(coverage: Coverage) -> list[Row]:
    """Each group of symbols with its numbers: first the target, then what is listed apart."""
    groups: dict[tuple[str, str], list[Symbol]] = {}
    for symbol in coverage.symbols.values():
        group = symbol.group
        if symbol.apart:  # keras.applications.vgg16 and its like together
            group = next((s for s in APART if f"{group}.".startswith(f"{s}.")), group)
        groups.setdefault((symbol.apart, group), []).append(symbol)
    result = []
    for (apart, group), members in sorted(groups.items()):
        states: dict[str, int] = {}
        for symbol in members:
            state = coverage.state(symbol.name)
            states[state] = states.get(state, 0) + 1
        parameters = sum(len(symbol.parameters) for symbol in members)
        absent = sum(len(coverage.missing_parameters(symbol)) for symbol in members)
        result.append(Row(group, apart, states, len(members), parameters - absent, parameters))
    return result


def total(some: Iterable[Row], name: str) -> Row:
    """The sum of rows."""
    some = list(some)
    states: dict[str, int] = {}
    for row in some:
        for state, number in row.states.items():
            states[state] = states.get(state, 0) + number
    return Row(
        name, "", states, sum(r.symbols for r in some), sum(r.pairs for r in some),
        sum(r.parameters for r in some),
    )  # fmt: skip


def core(some: Iterable[Row]) -> Row:
    """The sum over the namespaces that hold most of the API."""
    names = {f"keras.{name}" for name in CORE}
    return total((row for row in some if row.group in names), "core")
