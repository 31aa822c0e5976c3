"""The rules, a file each. A file has `CODE`, `ORDER` and `rule(facts)`; nothing lists the files.

`ORDER` places a rule's findings among those whose gain is unknown, the smallest first: 10 to 19
what makes figures mean something else than they seem to, 20 to 29 what holds up a whole iteration,
30 to 39 one stage, 40 to 49 what to try. Where several see one stage, the smallest speaks for it in
the terminal, so that a rule that names a cause stands before one that only sees the time.
"""
