"""Names that files have had, and what makes each of them hard to show, store or send."""

import os

LONG = "l" * 120

NAMES = {
    "no UTF-8": os.fsdecode(b"caf\xe9\xff"),
    "half a character": os.fsdecode(b"\xe2\x82"),
    "line end": "a\nb",
    "carriage return": "safe\rEVIL",
    "tab": "a\tb",
    "escape code": "\x1b[31mred\x1b[0m\x07",
    "right to left": "photo\u202egpj.exe",
    "separators": "a\u2028b\u0085c",
    "markup of rich": "[red]x[bold] [@click=1]",
    "HTML": "<script>alert('x')<img src=x onerror=1>&lt;",
    "Markdown": "a|b`c`[d](e)*f*",
    "formula": "=1+1,\"x\";'y'",
    "mathematics": "$\\frac$ _hidden",
    "underscore": "_mine",
    "dash": "--out=x---",
    "annotation": "::error title=x,y:z%0A",
    "braces": "{0} {{ x }} %s",
    "long": LONG,
    "wide": "写真🦋é",
}
"""By kind; none has a slash or a zero byte, so each is the name of a file."""
