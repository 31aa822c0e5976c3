"""The templates of the HTML pages, found in this room and compiled once."""

from functools import cache

from jinja2 import Environment, PackageLoader, Template, select_autoescape


@cache
def template(name: str) -> Template:
    """Load a page's template; whatever it is given is escaped."""
    environment = Environment(
        loader=PackageLoader("depthprof.report", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
