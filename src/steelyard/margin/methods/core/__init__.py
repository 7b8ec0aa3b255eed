"""The general scenario core: one engine for every method that is a document.

`expressions` checks the formulas of a document, `rules` reads them, `instruments` puts the market into
columns, `prepared` works out the scenario table, and `books` holds accounts. `evaluation` answers any
name in any scope (`resolving` finds it); `dual` runs the same formulas for an explanation. For many
accounts `tracing` makes the formulas into a program of `steps`, and `machine` carries it out.
"""
