"""Rules that are truly a venue's own: one module a core, each with the same two names.

`Number` is the type its statements are decoded to (`float`, or `Decimal` where arithmetic is exact),
and `answer(case, document)` answers one case; the document already holds the case's parameters.
"""
