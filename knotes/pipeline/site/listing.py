"""The index of the API and its coverage, as HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence

from sphinx.errors import ConfigError

from knotes.pipeline.api import totals
from knotes.pipeline.api.symbols import APART, Symbol, is_base

from .directory import INDEX_PAGE, Directory, Target


def marked_up(text: str) -> str:
    """Plain text with `code` in backquotes as HTML."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


class Writer:
    """Writes the index and the coverage for one page."""

    def __init__(self, api: Directory, relative: Callable[[str], str]) -> None:
        """`relative` gives the address of a page as seen from the one that is written."""
        self.api, self.relative = api, relative
        self.symbols = api.inventory.symbols

    def a(self, target: Target, text: str, title: str = "") -> str:
        """A link."""
        address = html.escape(f"{self.relative(target.page)}#{target.anchor}")
        tip = f' title="{html.escape(title)}"' if title else ""
        return f'<a href="{address}"{tip}>{text}</a>'

    def index(self, group: str) -> str:
        """The symbols of a group: ``keras.layers``, ``methods of keras.Model``."""
        members = [
            s
            for s in self.symbols.values()
            if s.group == group
            or (group in APART and s.group.startswith(f"{group}.") and s.kind != "method")
        ]
        if not members:
            raise ConfigError(f"api-index: expected a namespace of Keras, got {group!r}")
        entries = "".join(self.entry(symbol) for symbol in sorted(members, key=_order))
        return f'<dl class="knotes-index">{entries}</dl>'

    def entry(self, symbol: Symbol) -> str:
        """One symbol: name, aliases, job, where it is taught, parameters."""
        state = self.api.coverage.state(symbol.name)
        name = html.escape(symbol.name)
        also = ""
        if symbol.aliases:
            shown = ", ".join(f"<code>{html.escape(alias)}</code>" for alias in symbol.aliases)
            also = f'<span class="knotes-also">also {shown}</span>'
        target = self.api.link(symbol.name)
        if (symbol.name, "") in self.api.taught and target:
            where = f"Taught in {self.a(target, html.escape(target.text))}."
        elif target:
            where = f"Seen working in {self.a(target, html.escape(target.text))}."
        else:
            where = self._not_exercised(symbol, state)
        job = marked_up(self.api.jobs.get(symbol.name, ""))
        return (
            f'<dt id="{name}" class="knotes-{state}"><code>{html.escape(symbol.name)}</code> {also}'
            f'<a class="headerlink" href="#{name}" title="Link to this entry">#</a></dt>'
            f'<dd>{job} <span class="knotes-where">{where}</span>{self.parameters(symbol)}'
            f"{self.methods(symbol)}</dd>"
        )

    def _not_exercised(self, symbol: Symbol, state: str) -> str:
        if state == "missing":
            return f"Listed only: {symbol.apart}." if symbol.apart else "No page shows it yet."
        words = {"subclassed": "Only subclassed so far", "named": "Only given by name so far"}[
            state
        ]
        target = self.api.cell(self.api.coverage.places[state][symbol.name][0])
        return f"{words}, in {self.a(target, html.escape(target.text))}."

    def methods(self, symbol: Symbol) -> str:
        """The methods that only this class has, each with a link to a cell that calls it."""
        if symbol.kind != "class" or is_base(symbol.name):
            return ""
        lines = []
        for method in self.symbols.values():
            if method.kind != "method" or method.name.rpartition(".")[0] != symbol.name:
                continue
            target = self.api.link(method.name)
            name = html.escape(method.name)
            text = f"<code>{html.escape(method.name.rpartition('.')[2])}</code>"
            shown = self.a(target, text, target.text) if target else text
            lines.append(f'<span id="{name}">{shown}({self.chips(method)})</span>')
        return f'<div class="knotes-parameters">{" ".join(lines)}</div>' if lines else ""

    def parameters(self, symbol: Symbol) -> str:
        """The parameters, each with a link to the cell that exercises it."""
        if not symbol.parameters or symbol.apart in APART.values():
            return ""
        return f'<div class="knotes-parameters">{self.chips(symbol)}</div>'

    def chips(self, symbol: Symbol) -> str:
        """The names of parameters, linked where a cell exercises them."""
        shown = []
        for name in symbol.parameters:
            proof = self.api.proof(symbol.name, name)
            text = f"<code>{html.escape(name)}</code>"
            if proof:
                shown.append(self.a(proof, text, f"exercised in {proof.text}"))
            else:
                shown.append(f'<span class="knotes-missing" title="no cell yet">{text}</span>')
        return ", ".join(shown)

    def numbers(self) -> str:
        """How much is exercised, group by group."""
        every = totals.rows(self.api.coverage)
        target = [row for row in every if not row.apart]
        whole = totals.total(target, "everything")
        core = totals.core(every)
        says = (
            f"<p>Keras {html.escape(self.api.inventory.keras)} has {whole.symbols} public symbols "
            f"with {whole.parameters} parameters. The pages exercise {whole.exercised} of the "
            f"symbols and {whole.pairs} of the parameters; of the {core.symbols} symbols and "
            f"{core.parameters} parameters in the namespaces for layers, losses, metrics, "
            f"activations, initializers, regularizers, constraints, optimizers, schedules and "
            f"callbacks, {core.exercised} and {core.pairs}.</p>"
        )
        return says + self.table([*target, whole])

    def table(self, rows: Sequence[totals.Row]) -> str:
        """The numbers as a table with a bar in each cell."""
        head = ("Namespace", "Symbols", "Parameters", "Only by name", "Only subclassed")
        body = ""
        for row in rows:
            name = html.escape(row.group.replace("methods of keras.", "methods of "))
            rest = (row.states.get("named", 0), row.states.get("subclassed", 0))
            cells = bar(row.exercised, row.symbols) + bar(row.pairs, row.parameters)
            cells += "".join(f"<td>{number or ''}</td>" for number in rest)
            body += f'<tr><th scope="row">{name}</th>{cells}</tr>'
        cells = "".join(f'<th scope="col">{name}</th>' for name in head)
        return (
            '<div class="knotes-scroll"><table class="knotes knotes-numbers">'
            f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def missing(self) -> str:
        """What is not exercised, folded by group."""
        parts = []
        for row in (row for row in totals.rows(self.api.coverage) if not row.apart):
            members = [s for s in self.symbols.values() if s.group == row.group and not s.apart]
            lost = [s for s in members if not self.api.coverage.exercised(s.name)]
            partly = [
                (s, gone)
                for s in members
                if s not in lost and (gone := self.api.coverage.missing_parameters(s))
            ]
            if not lost and not partly:
                continue
            shown = []
            for symbol in sorted(lost, key=_order):
                entry = Target(INDEX_PAGE, symbol.name, "")
                shown.append(self.a(entry, f"<code>{html.escape(symbol.short)}</code>"))
            text = f"<p>Symbols: {', '.join(shown)}</p>" if shown else ""
            if partly:
                listed = "; ".join(
                    f"<code>{html.escape(s.short)}</code>: "
                    + ", ".join(f"<code>{html.escape(name)}</code>" for name in gone)
                    for s, gone in partly
                )
                text += f"<p>Parameters of symbols that are exercised: {listed}</p>"
            count = sum(len(gone) for _, gone in partly)
            title = f"{html.escape(row.group)}: symbols {len(lost)}, further parameters {count}"
            parts.append(f"<details><summary>{title}</summary>{text}</details>")
        return f'<div class="knotes-lost">{"".join(parts)}</div>'


def _order(symbol: Symbol) -> tuple[str, str]:
    return symbol.name.lower(), symbol.name


def bar(part: int, whole: int) -> str:
    """A cell with a bar as long as the share, and the two numbers in words."""
    share = 100 * part / whole if whole else 0
    return (
        f'<td class="knotes-bar"><span style="--share: {share:.1f}%"></span>{part} of {whole}</td>'
    )
