"""Formulas of the site: what is refused, what is repaired, and the font they are set in."""

from io import BytesIO
from types import SimpleNamespace
from xml.etree.ElementTree import Element

import pytest
from fontTools.ttLib import TTFont

from knotes.pipeline.site import font, latex, letters, math, mathml


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (r"\foo x", "command '\\\\foo' is not known"),
        (r"\begin{gather} a \end{gather}", "environment 'gather' is not known; known are"),
        (r"\left( x", "cannot be parsed"),
        (r"a & b", "'&' outside"),
        (r"\boxed{x}", "not drawn by browsers"),
        (r"\widehat{xyz}", "over a single letter only"),
    ],
)
def test_what_cannot_be_drawn_is_refused(formula, words):
    with pytest.raises(latex.LatexError) as error:
        mathml.convert(formula)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        (r"\|x\|", 'stretchy="false" lspace="0" rspace="0">‖</mo>'),
        (r"\mathbb{R}", "<mi>ℝ</mi>"),
        (r"\mathbf{W}", "<mi>𝐖</mi>"),
        (r"\mathrm{fan}", '<mi class="math-roman">fan</mi>'),
        (r"a<b", "<mo>&lt;</mo>"),
        (r"\hat{y}", '<mover accent="true">'),
        (r"2\log x", '<mspace width="0.167em"></mspace><mi class="math-function">log</mi><mspace'),
        (r"w \sim p", "<mo>∼</mo>"),
        (r"(-x)", '<mo form="prefix">−</mo>'),
        (r"x'", "<mrow><mi>x</mi><mi>′</mi></mrow>"),
        (r"\overline{x+y}", '<mrow class="math-overline">'),
        (r"\text{input\_dim}", "<mtext>input_dim</mtext>"),
        ("x'_i", "<msub><mrow><mi>x</mi><mi>′</mi></mrow><mi>i</mi></msub>"),
        ("f: x", '<mo lspace="0" rspace="0.278em">:</mo>'),
        (r"\infty", '<mi mathvariant="normal">∞</mi>'),
        (r"\partial x", "<mi>∂</mi>"),
        ("a/b", '<mo stretchy="false" lspace="0" rspace="0">/</mo>'),
        ("f_i", '<msub><mi>f</mi><mrow><mspace width="-0.12em"></mspace><mi>i</mi></mrow></msub>'),
        (r"\operatorname{softmax}(x)", '<mi class="math-function">softmax</mi>'),
        (r"\arg x", '<mi class="math-function">arg</mi>'),
        (r"\log_2 x", '</msub><mspace width="0.167em">'),
        (r"\log\left(x\right)", '<mi class="math-function">log</mi><mrow>'),
        (r"\begin{equation} x \end{equation}", "<mi>x</mi>"),
        (r"\begin{cases} a \\ b \end{cases}", "<mtable"),
        (r"a \\ b", "<mtable"),
    ],
)
def test_what_browsers_draw_wrongly_is_repaired(formula, part):
    assert part in mathml.markup(mathml.convert(formula))


def test_limits_stand_below_in_a_display_formula_only():
    assert "<munder>" in mathml.markup(mathml.convert(r"\max_i x_i", display=True))
    assert "<munder>" not in mathml.markup(mathml.convert(r"\max_i x_i"))


def test_lines_are_aligned_at_the_ampersand():
    text = mathml.markup(
        mathml.convert(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", display=True)
    )
    assert text.count("<mtr>") == 2
    assert 'class="math-aligned"' in text
    assert text.count('class="math-right"') == text.count('class="math-left"') == 2


def test_the_font_has_what_formulas_use_and_is_the_same_each_time():
    used = font.ALWAYS | mathml.characters(mathml.convert(r"\sum_i \mathbb{R} \odot \hat{y}"))
    first = font.font_bytes(used)
    assert first == font.font_bytes(used)
    cut = TTFont(BytesIO(first))
    assert {ord(char) for char in "∑ℝ⊙ˆ"} <= set(cut.getBestCmap())
    assert "MATH" in cut


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        (r"\mathbf{x1+}", "<mi>𝐱</mi><mn>𝟏</mn><mo>+</mo>"),
        (r"\mathbf{\lambda}", "<mi>𝛌</mi>"),
        (r"\boldsymbol{\epsilon}", "<mi>𝝐</mi>"),
        (r"\mathbf{\nabla}", "𝛁"),
        (r"\mathscr{L}", "<mi>ℒ</mi>"),  # older than the others, with another name
        (r"\mathscr{1}", "<mn>1</mn>"),  # there is none
        (r"\textbf{is}", '<mtext class="math-bold">is</mtext>'),
    ],
)
def test_letters_of_a_style_are_those_of_unicode(formula, part):
    assert part in mathml.markup(mathml.convert(formula))


def test_a_style_without_letters_is_refused():
    letter = Element("mi", mathvariant="stretched")
    with pytest.raises(latex.LatexError, match="letters of the style 'stretched'"):
        letters.restyle(letter)


def test_what_another_process_has_read_is_taken_over_and_dropped():
    here, there = SimpleNamespace(), SimpleNamespace(knotes_math={"a": {"x"}, "b": {"y"}})
    math.merge_pages(None, here, ["a", "c"], there)
    assert here.knotes_math == {"a": {"x"}}
    math.forget_page(None, here, "a")
    math.forget_page(None, here, "c")
    assert here.knotes_math == {}
