"""The templates of the HTML pages, kept beside this file and compiled once."""

import re
from functools import cache

from jinja2 import Environment, PackageLoader, Template, select_autoescape
from markupsafe import Markup, escape

LONGEST_WORD = 18
"""Letters that stay on one line; a longer word may be broken."""

TOGETHER = re.compile(r"\d{4}-\d\d-\d\d|[<>±+~-]*\d[\d.,]* (?:%|[A-Za-z]{1,3}(?:/s)?)(?![A-Za-z])")
"""What is read as one: a date, or a figure with its unit."""

BREAKABLE = r"[^/_:,.(<@=]{{1,{0}}}[/_:,.(<@=]?|[/_:,.(<@=]"
"""Pieces of a long word: up to a sign that stands between its parts, or as long as may be."""


@cache
def template(name: str) -> Template:
    """Load a page's template; whatever it is given is escaped."""
    environment = Environment(
        loader=PackageLoader("depthprof.report", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fit"] = fit
    return environment.get_template(name)


def fit(value: object, longest: int = LONGEST_WORD) -> Markup:
    """Make the text of a table's cell such that it breaks where a reader would break it.

    Figures and dates stay whole; longer words than `longest` letters may be broken, at the signs
    between their parts where they have such. What is copied from the page is the text as it was.
    """
    text, parts, end = str(value), [], 0
    for found in TOGETHER.finditer(text):
        parts += [
            _broken(text[end : found.start()], longest),
            Markup('<span class="nb">{}</span>').format(found[0]),
        ]
        end = found.end()
    return Markup("").join([*parts, _broken(text[end:], longest)])


def _broken(text: str, longest: int) -> Markup:
    """Escape a text and let its long words be broken."""
    pieces = re.compile(BREAKABLE.format(longest))
    return Markup("").join(
        Markup("<wbr>").join(map(escape, pieces.findall(word)))
        if len(word) > longest
        else escape(word)
        for word in re.split(r"(\s+)", text)
    )
