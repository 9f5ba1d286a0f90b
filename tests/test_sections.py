"""The sections of a page, and the cells that have to run before each."""

import textwrap

from knotes.pipeline import notebooks, sections
from tests.conftest import HEADER

IMPORTS = "```{code-cell} ipython3\nimport knotes\n```\n\n"


def read(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(HEADER + IMPORTS + textwrap.dedent(text))
    return notebooks.read_text(path)


def numbers(cells):
    return [cell.number for cell in cells]


PAGE = """\
    ## In short

    ```{code-cell} ipython3
    1
    ```

    (model)=
    ## The model of this page

    ```{code-cell} ipython3
    ---
    tags: [common]
    ---
    2
    ```

    (first)=
    ## First

    ### Below

    ```{code-cell} ipython3
    3
    ```

    (keras.Model.fit.x)=
    (second)=
    ## Second

    Continues [what was made first](#first).

    ```{code-cell} ipython3
    ---
    tags: [continues]
    ---
    4
    ```

    :::{note}
    ## No heading
    :::

    (middle)=
    A paragraph.

    ```{code-cell} ipython3
    5
    ```
    """


def test_a_section_runs_after_the_imports_the_common_cell_and_what_it_continues(tmp_path):
    short, model, first, second = sections.of(read(tmp_path, PAGE))
    assert [s.heading for s in (short, model)] == ["In short", "The model of this page"]
    assert (numbers(short.cells), numbers(short.before)) == ([2], [1])
    assert (numbers(model.cells), numbers(model.before)) == ([3], [1])
    assert (numbers(first.cells), numbers(first.before)) == ([4], [1, 3])
    assert (numbers(second.cells), numbers(second.before)) == ([5, 6], [1, 3, 4])
    assert [s.continues for s in (first, second)] == [False, True]


def test_a_tag_without_a_link_to_an_earlier_section_continues_nothing(tmp_path):
    lost = PAGE.replace("(#first)", "(#third)")
    second = sections.of(read(tmp_path, lost))[-1]
    assert second.continues
    assert numbers(second.before) == [1, 3]


def test_a_label_names_its_section(tmp_path):
    notebook = read(tmp_path, PAGE)
    found = {label: section for label, section in sections.labeled(notebook)}
    assert found["keras.Model.fit.x"] == found["second"]
    assert found["second"].labels == ("keras.Model.fit.x", "second")
    assert numbers(found["second"].cells) == [5, 6]
    assert numbers(found["first"].cells) == [4]
    assert numbers(found["sample"].cells) == [1, 2, 3, 4, 5, 6]
    assert numbers(found["middle"].cells) == [6]
