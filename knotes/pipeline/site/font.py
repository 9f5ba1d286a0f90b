"""The math font of the site, cut down to the characters of the book.

The font, STIX Two Math (SIL Open Font License), comes with the installed package `ziamath`.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import distribution
from io import BytesIO

from fontTools import subset
from fontTools.ttLib import TTFont

FONT_FILE = "stix-two-math.woff"

# In every font, whatever the pages use: what a browser draws for a letter is its italic form.
ALWAYS = frozenset(map(chr, [*range(0x20, 0x7F), *range(0x1D434, 0x1D468), 0x210E])) | set("√′″")
ALWAYS |= frozenset(map(chr, range(0x1D6E2, 0x1D71C)))


def font_bytes(used: Iterable[str]) -> bytes:
    """Cut STIX Two Math down to some characters, with all that its MATH table needs for them.

    Two things are set so that browsers draw well: large radicals get the width that small ones
    have nearly (Chromium reserves the width of the widest), and a subscript keeps its height
    under letters that reach below the line, as in LaTeX.

    Returns:
        A WOFF file; the same characters give the same bytes.

    """
    path = distribution("ziamath").locate_file("ziamath/fonts/STIXTwoMath-Regular.ttf")
    font = TTFont(str(path), recalcTimestamp=False)
    known = font.getBestCmap()
    text = "".join(sorted(set(used)))
    options = subset.Options()
    options.flavor = "woff"
    options.hinting = False
    options.layout_features = []
    options.drop_tables += ["DSIG", "GPOS", "GSUB", "GDEF"]
    options.notdef_outline = True
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[ord(char) for char in text if ord(char) in known])
    cutter.subset(font)
    _narrow_radicals(font)
    font["MATH"].table.MathConstants.SubscriptBaselineDropMin.Value = -60
    font.flavor = "woff"
    stream = BytesIO()
    font.save(stream, reorderTables=True)
    return stream.getvalue()


def _narrow_radicals(font: TTFont, width: int = 860) -> None:
    for name in font.getGlyphOrder():
        advance, bearing = font["hmtx"][name]
        if name.startswith("uni221A.") and advance > width:
            scale = width / advance
            glyph = font["glyf"][name]
            glyph.coordinates.scale((scale, 1))
            glyph.coordinates.toInt()
            glyph.recalcBounds(font["glyf"])
            font["hmtx"][name] = (width, round(bearing * scale))
