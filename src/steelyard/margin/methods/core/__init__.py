"""The general scenario core: one engine for every method that is a document.

`expressions` checks the formulas of a document, `rules` reads them, `instruments` puts the market into
columns, `prepared` works out the scenario table, `books` and `scan` run accounts against it, and
`evaluation` answers any name in any scope. `dual` runs the same formulas for an explanation.
"""
