"""HTML made of nested calls, in which every text is escaped unless it was made here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping

__all__ = ["Markup", "joined", "page", "printable", "quoted", "tag"]

# Not allowed in HTML at all; line ends and tabs are.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VOID = ("meta", "rect", "line", "circle")

# Whatever a text brings, nothing is loaded and nothing runs.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Markup(str):
    """A string that is HTML already; any other string is text."""

    __slots__ = ()


def tag(
    name: str, *children: str, css: str = "", attributes: Mapping[str, str | float] | None = None
) -> Markup:
    """An element; children that are no ``Markup`` are escaped, and so are attributes.

    Args:
        name: Of the element.
        children: What is in it.
        css: Its class.
        attributes: Others; numbers are written with as many digits as they need.
    """
    given = {**({"class": css} if css else {}), **(attributes or {})}
    opened = "".join(f' {key}="{_text(_spelled(value))}"' for key, value in given.items())
    if name in _VOID:
        return Markup(f"<{name}{opened}>") if name == "meta" else Markup(f"<{name}{opened}/>")
    return Markup(f"<{name}{opened}>{joined(children)}</{name}>")


def joined(children: Iterable[str]) -> Markup:
    """Several pieces one after the other."""
    return Markup("".join(one if isinstance(one, Markup) else _text(one) for one in children))


def quoted(text: str, *, css: str = "") -> Markup:
    """A stranger's text: whatever its direction, it changes nothing around it."""
    return tag("bdi", text, css=css)


def page(title: str, style: str, *body: str) -> str:
    """A whole document with its style in it.

    Args:
        title: As a browser shows it.
        style: CSS, as it is; nobody else's text may be in it.
        body: What is in it.
    """
    head = tag(
        "head",
        tag("meta", attributes={"charset": "utf-8"}),
        tag("meta", attributes={"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        tag("meta", attributes={"name": "viewport", "content": "width=device-width"}),
        tag("meta", attributes={"name": "color-scheme", "content": "light dark"}),
        tag("title", title),
        Markup(f"<style>{style}</style>"),
    )
    content = tag("html", head, tag("body", *body), attributes={"lang": "en"})
    return f"<!doctype html>\n{content}\n"


def printable(text: str) -> str:
    """On one line, without what is no character of a text."""
    return " ".join(_FORBIDDEN.sub("\ufffd", text).split())


def _text(text: str) -> str:
    return html.escape(_FORBIDDEN.sub("\ufffd", text))


def _spelled(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
