"""The Sphinx extension of the book: `_config.yml` names it, `jupyter-book build .` runs it.

* `math`: formulas without a script, unknown LaTeX is a warning; parsed by `latex`, with the letters
  of `letters` made by `mathml` what browsers draw well, set in the font that `font` cuts
* `notes`: marks for settled statements of the older notes
* `records`: the verification line on each page, and the report
* `api`: the index of the API, its coverage, links from names in code (`code`); where things are
  taught or exercised is in `directory`, `listing` writes it
* `pages`: description and downloads
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import api, math, notes, pages, records

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register all parts."""
    # Jupyter Book sets these whether or not the extensions that declare them are loaded.
    for name in ("comments_config", "use_jupyterbook_latex"):
        app.add_config_value(name, None, "")
    for part in (math, notes, records, api, pages):
        part.setup(app)
    return {
        "version": "1",
        "env_version": 1,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
