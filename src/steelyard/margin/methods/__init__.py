"""Margin under any rule book: a method document, a stated market and a stated account in, an answer out.

A document's `[rules] core` names what carries it out: the general scenario core with its formulas, or
one of the modules of `own` where a venue's rule is truly its own.
"""
