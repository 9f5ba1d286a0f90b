"""Fixtures shared by the tests of the pipeline: small pages in a folder of their own."""

import textwrap

import pytest

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

(sample)=
# Sample page

What it is for.

"""


def page_text(*cells):
    """The text of a page with one code cell under each of the headings Step 1, Step 2, …"""
    text = HEADER
    for number, code in enumerate(cells, 1):
        body = textwrap.dedent(code).strip()
        text += f"## Step {number}\n\nProse.\n\n```{{code-cell}} ipython3\n{body}\n```\n\n"
    return text


@pytest.fixture
def write_page(tmp_path):
    """Write a text page from the texts of its code cells; returns its path."""

    def write(*cells, name="sample"):
        path = tmp_path / "book" / "part" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page_text(*cells))
        return path

    return write
