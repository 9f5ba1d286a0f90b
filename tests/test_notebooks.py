"""Reading, normalizing and storing pages."""

import nbformat
import pytest

from knotes.pipeline import notebooks
from knotes.pipeline.notebooks import PageError


def stored(path, outputs=()):
    notebook = notebooks.read_text(path)
    for cell in notebooks.code_cells(notebook):
        cell.outputs = list(outputs)
    return notebooks.normalize(notebook, notebooks.digest(path))


def test_a_stored_page_is_in_step_with_its_text(write_page):
    path = write_page("1 + 1", ":tags: [raises-exception]\n1 / 0")
    notebook = stored(path)
    assert notebooks.out_of_step(notebooks.read_text(path), notebook) == []
    assert [c.execution_count for c in notebooks.code_cells(notebook)] == [1, 2]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("1 + 1", "2 + 2", "'2 + 2' in the text, '1 + 1' stored"),
        ("Prose.", "Other prose.", "'Other prose.' in the text, 'Prose.' stored"),
        ("[raises-exception]", "[hide-input]", "options differ"),
        ("## Step 2\n\nProse.", "", "the text has 3 cells, the notebook 4"),
    ],
)
def test_a_changed_text_is_out_of_step(write_page, old, new, fault):
    path = write_page("1 + 1", ":tags: [raises-exception]\n1 / 0")
    notebook = stored(path)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert fault in "; ".join(notebooks.out_of_step(notebooks.read_text(path), notebook))


def test_a_blanked_count_is_out_of_step(write_page):
    path = write_page("1 + 1", "2")
    notebook = stored(path)
    notebooks.code_cells(notebook)[1].execution_count = None
    (fault,) = notebooks.out_of_step(notebooks.read_text(path), notebook)
    assert fault == "execution counts are [1, None], expected 1 to 2"


def test_normalizing_removes_what_changes_from_run_to_run(write_page):
    path = write_page("1", "1")
    results = [stored(path), stored(path)]
    for notebook in results:
        nbformat.validate(notebook)
    assert nbformat.writes(results[0]) == nbformat.writes(results[1])
    ids = [cell.id for cell in results[0].cells]
    assert len(set(ids)) == len(ids)  # equal cells still get ids of their own


def test_writing_is_atomic_and_tells_whether_the_file_changed(write_page, monkeypatch):
    path = write_page("1")
    target = path.with_suffix(".ipynb")
    assert notebooks.write(stored(path), target)
    assert not notebooks.write(stored(path), target)
    before = target.read_text()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(notebooks.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        notebooks.write_atomically(target, "half")
    assert target.read_text() == before
    assert sorted(p.name for p in target.parent.iterdir()) == ["sample.ipynb", "sample.md"]


def test_headings_are_found_outside_of_code(write_page):
    path = write_page("1", "2")
    more = "```text\n# no heading\n```\n\n```{code-cell} ipython3\n3\n```\n"
    path.write_text(path.read_text() + more)
    notebook = notebooks.read_text(path)
    found = [h for c, h in notebooks.headings(notebook) if c.cell_type == "code"]
    assert found == ["Step 1", "Step 2", "Step 2"]


def test_bad_pages_are_named(tmp_path):
    with pytest.raises(PageError, match=r"nothing\.md: expected the \.md text of a page"):
        notebooks.read_text(tmp_path / "nothing.md")
    prose = tmp_path / "prose.md"
    prose.write_text("# Only prose\n")
    with pytest.raises(PageError, match="no code cell"):
        notebooks.read_text(prose)
    broken = tmp_path / "broken.ipynb"
    broken.write_text("{")
    with pytest.raises(PageError, match="broken: stored notebook not readable"):
        notebooks.read_stored(broken)


def test_raw_and_skipped_and_empty_cells_are_kept_and_not_counted(write_page):
    path = write_page("1", ":tags: [nbval-skip]\n# reason: needs a microphone\n2", "3")
    notebook = notebooks.read_text(path)
    notebook.cells += [nbformat.v4.new_raw_cell("raw"), nbformat.v4.new_code_cell("")]
    normal = notebooks.normalize(notebook, "")
    assert [c.execution_count for c in notebooks.code_cells(normal)] == [1, None, 2, None]
    assert normal.cells[-2].cell_type == "raw"
    assert notebooks.out_of_step(notebook, normal) == []


def test_a_notebook_notes_the_versions_it_was_made_with(write_page):
    made = stored(write_page("1")).metadata["knotes"]
    assert made["versions"] == notebooks.versions()
    assert set(made["versions"]) == set(notebooks.SUBJECTS)


def test_what_cannot_be_written_is_told(write_page, monkeypatch):
    path = write_page("1")
    target = path.with_suffix(".ipynb")
    notebooks.write(stored(path), target)
    path.write_text(path.read_text() + "\nMore.\n")
    monkeypatch.setattr(notebooks.os, "access", lambda *_: False)  # root may write everything
    with pytest.raises(PageError, match="sample: cannot be stored: the file is read-only"):
        notebooks.write(stored(path), target)
