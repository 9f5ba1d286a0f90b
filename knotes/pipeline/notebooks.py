"""Text pages and their stored notebooks: read, normalize, compare, write.

A page is two files with one stem: ``page.md``, which people edit, and ``page.ipynb``, the same
cells with their outputs, which only the recorder writes (see `knotes.pipeline.record`).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
REFERENCE = "reference"
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Options of a code cell that decide how it runs or what a reader sees.
CELL_METADATA = ("tags", "mystnb")


class PageError(Exception):
    """A page that cannot be read, run or stored; the message names the page."""


def name_of(path: Path) -> str:
    """Name of a page: its path below the root without suffix, ``book/layers/dense``.

    For a page elsewhere it is the stem alone: no path of a machine gets into a message.
    """
    path = path.resolve()
    path = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path(path.name)
    return path.with_suffix("").as_posix()


def text_pages(folder: Path = BOOK) -> list[Path]:
    """Every text page in the parts of the book (``book/*/*.md``), sorted.

    Not those of the reference: they run nothing, the site makes them from the other pages.
    """
    left_out = (".", REFERENCE)
    return sorted(p for p in folder.glob("*/*.md") if not p.parent.name.startswith(left_out))


def digest(path: Path) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_text(path: Path) -> Any:
    """Read a MyST page as a notebook without outputs.

    Raises `PageError` if the file is missing, is not a notebook, or contains no code cell.
    """
    if path.suffix != ".md" or not path.is_file():
        raise PageError(f"{path}: expected the .md text of a page")
    try:
        notebook = jupytext.read(path, fmt="md:myst")
    except Exception as error:
        raise PageError(f"{name_of(path)}: not a readable MyST notebook: {error}") from error
    if not any(cell.cell_type == "code" for cell in notebook.cells):
        raise PageError(f"{name_of(path)}: no code cell; a page of the book runs something")
    return notebook


def read_stored(path: Path) -> Any:
    """Read a stored notebook (.ipynb); `PageError` if it is missing or broken."""
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        raise PageError(f"{name_of(path)}: stored notebook not readable: {error}") from error


def code_cells(notebook: Any) -> list[Any]:
    """The code cells of a notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def essence(cell: Any) -> tuple[str, str, dict[str, Any]]:
    """What text and stored notebook have in common for one cell: type, source, options."""
    options = {k: cell.metadata[k] for k in CELL_METADATA if cell.metadata.get(k)}
    return cell.cell_type, cell.source, options


def tags_of(cell: Any) -> list[str]:
    """The tags of a cell (empty list if it has none)."""
    return list(cell.metadata.get("tags", []))


def headings(notebook: Any) -> Iterator[tuple[Any, str]]:
    """Yield each cell with the Markdown heading that it stands under ('' before the first)."""
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            fenced = False
            for line in cell.source.splitlines():
                fenced ^= line.lstrip().startswith(("```", ":::"))
                if line.startswith("#") and not fenced:
                    heading = line.lstrip("#").strip()
        yield cell, heading


def out_of_step(text: Any, stored: Any) -> list[str]:
    """How a text page and its stored notebook differ, as lines for a reader (empty: in step)."""
    faults = []
    if len(text.cells) != len(stored.cells):
        faults.append(f"the text has {len(text.cells)} cells, the notebook {len(stored.cells)}")
    for number, (a, b) in enumerate(zip(text.cells, stored.cells, strict=False), 1):
        if essence(a) != essence(b):
            old, new = _first_difference(b.source, a.source)
            what = f"{new!r} in the text, {old!r} stored" if old != new else "options differ"
            faults.append(f"{a.cell_type} cell {number}: {what}")
            break
    counts = [cell.execution_count for cell in code_cells(stored)]
    if counts != list(range(1, len(counts) + 1)):
        faults.append(f"execution counts are {counts}, expected 1 to {len(counts)}")
    return faults


def _first_difference(old: str, new: str) -> tuple[str, str]:
    a, b = old.splitlines(), new.splitlines()
    for left, right in zip(a, b, strict=False):
        if left != right:
            return left, right
    n = min(len(a), len(b))
    return "\n".join(a[n : n + 1]), "\n".join(b[n : n + 1])


def normalize(notebook: Any, source: Path) -> Any:
    """A copy with nothing in it that changes from run to run.

    Cell ids come from the content, times and run-dependent metadata are dropped, counts are 1..n.
    """
    counts = iter(range(1, len(notebook.cells) + 1))
    seen: dict[str, int] = {}
    cells = []
    for cell in notebook.cells:
        kind, text, options = essence(cell)
        name = hashlib.sha256(f"{kind}\n{text}".encode()).hexdigest()[:8]
        seen[name] = seen.get(name, 0) + 1
        fresh = (nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell)(
            text, metadata=options, id=name if seen[name] == 1 else f"{name}-{seen[name]}"
        )
        if kind == "code":
            if cell.metadata.get("knotes"):  # what it uses of the API, in a fixed order
                fresh.metadata["knotes"] = cell.metadata["knotes"]
            fresh.execution_count = next(counts)
            fresh.outputs = [_normal_output(o, fresh.execution_count) for o in cell.outputs]
        cells.append(fresh)
    metadata = {
        "kernelspec": KERNELSPEC,
        "language_info": {"name": "python"},
        "knotes": {"source": digest(source)},
    }
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _normal_output(output: Any, count: int) -> Any:
    output = nbformat.from_dict(output)
    if output.output_type == "execute_result":
        output.execution_count = count
    output.get("metadata", {}).pop("needs_background", None)
    return output


def write(notebook: Any, path: Path) -> bool:
    """Store a notebook: whole or not at all. Return whether the file changed."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, indent=1) + "\n"
    if path.is_file() and path.read_text("utf8") == text:
        return False
    write_atomically(path, text)
    return True


def write_atomically(path: Path, text: str) -> None:
    """Write a text file through a temporary one beside it, then replace."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def resolve_pages(arguments: Iterable[str]) -> list[Path]:
    """Text pages named on a command line: a page (.md, .ipynb or neither) or a folder of pages.

    Raises `PageError` for a name that is none of these.
    """
    pages: list[Path] = []
    for argument in arguments:
        path = Path(argument).resolve()
        if path.is_dir():
            found = sorted(path.glob("*.md")) if path != BOOK else text_pages(path)
        else:
            text = path.with_suffix(".md")
            found = [text] if text.is_file() and text in text_pages() else []
        if not found:
            raise PageError(f"PAGES: {argument!r} is not a page; expected book/<part>/<page>.md")
        pages += found
    return list(dict.fromkeys(pages))
