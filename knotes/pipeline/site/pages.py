"""What each page carries beyond its content: description, text to download, own numbers."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes

from .records import is_notebook

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config
    from sphinx.environment import BuildEnvironment

# One icon in the theme's script: name, width, height, other names, code point, one or two paths.
ICON = re.compile(
    r'"?(?P<name>[a-z0-9-]+)"?:\[\d+,\d+,\[(?P<aliases>[^\]]*)\],"[0-9a-f]+",'
    r'(?:"[^"]*"|\[(?:"[^"]*",?)*\])\],?'
)


def twin(env: BuildEnvironment, docname: str) -> Path | None:
    """Find the text (.md) that a page's stored notebook was made from."""
    if not is_notebook(env, docname):
        return None
    path = Path(env.doc2path(docname)).with_suffix(".md")
    return path if path.is_file() else None


def hide_texts(app: Sphinx, config: Config) -> None:
    """Leave out the text of each page that has a stored twin, the .ipynb: that is what is shown."""
    for stored in Path(app.srcdir).glob("book/**/*.ipynb"):
        config.exclude_patterns.append(stored.relative_to(app.srcdir).with_suffix(".md").as_posix())


def describe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Make the first paragraph the description that search engines and link previews show."""
    text = f"{app.config.html_title}: {context.get('title', '')}"
    if doctree is not None:
        for paragraph in doctree.findall(nodes.paragraph):
            if isinstance(paragraph.parent, nodes.section) and not paragraph["classes"]:
                text = " ".join(paragraph.astext().split())
                break
    if len(text) > 160:
        text = text[:160].rsplit(" ", 1)[0] + " …"
    tags = context.get("metatags") or ""
    if 'name="description"' not in tags:
        context["metatags"] = f'{tags}<meta name="description" content="{html.escape(text)}" />\n'


def offer_text(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Add the .md to the menu that the theme has made for downloads."""
    if twin(app.env, page) is None:
        return
    for group in context["header_buttons"]:
        if group["label"] == "download-buttons":
            button = {
                "type": "link",
                "url": f"{context['pathto']('_sources', 1)}/{page}.md",
                "text": ".md",
                "icon": "fas fa-file-lines",
                "tooltip": "Download text file",
                "label": "download-text-button",
            }
            group["buttons"].insert(1, button)


def copy_texts(app: Sphinx, exception: Exception | None) -> None:
    """Put the .md of each page beside its .ipynb in the site."""
    if exception is not None or app.builder.format != "html":
        return
    for page in app.env.found_docs:
        text = twin(app.env, page)
        if text is not None:
            target = Path(app.outdir, "_sources", f"{page}.md")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(text, target)


def trim_icons(app: Sphinx, exception: Exception | None) -> None:
    """Keep of the theme's 2000 icons (1.5 MB of script on each page) those that pages use."""
    script = Path(app.outdir, "_static", "scripts", "fontawesome.js")
    if exception is not None or app.builder.format != "html" or not script.is_file():
        return
    others = [*script.parent.glob("*.js"), *Path(app.outdir).rglob("*.html")]
    used: set[str] = set()
    for path in others:
        if path != script:
            used |= set(re.findall(r"\bfa-([a-z0-9-]+)", path.read_text(encoding="utf-8")))

    def keep(icon: re.Match[str]) -> str:
        names = {icon["name"], *re.findall(r'"([a-z0-9-]+)"', icon["aliases"])}
        return icon[0] if names & used else ""

    script.write_text(ICON.sub(keep, script.read_text(encoding="utf-8")), encoding="utf-8")


def unname_boxes(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Take away the ids that sphinx-exercise repeats in every exercise and solution of a page."""
    for section in doctree.findall(nodes.section):
        kept = [i for i in section["ids"] if i not in ("exercise-content", "solution-content")]
        section["ids"] = kept


def number_by_page(app: Sphinx, env: BuildEnvironment) -> None:
    """Count figures and exercises from 1 on each page, so that a new page renumbers no other."""
    for kinds in env.toc_fignumbers.values():
        for numbers in kinds.values():
            for position, anchor in enumerate(numbers, start=1):
                numbers[anchor] = (position,)


def setup(app: Sphinx) -> None:
    """Register the description, the download, the numbers and the smaller set of icons."""
    app.connect("config-inited", hide_texts)
    app.connect("env-check-consistency", number_by_page)
    app.connect("doctree-resolved", unname_boxes)
    app.connect("html-page-context", describe)
    app.connect("html-page-context", offer_text, priority=510)  # after the theme's, at 501
    app.connect("build-finished", copy_texts)
    app.connect("build-finished", trim_icons)
