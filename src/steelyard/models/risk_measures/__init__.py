"""Risk measures: what a book may lose, whether past statements of it held, and what simple credit is worth.

`historical` and `parametric` state value at risk and expected shortfall, `coverage` tests past values at risk
against what happened, `bonds` and `credit` value a bond and a credit default swap, the latter by the yearly
approximation or, in `isda`, by the ISDA standard model on a curve of `rate_curve`. Underneath: `distributions`,
`business_days`, `roots`. Everything is a plain function of its arguments, in ordinary float64 (these numbers
never decide over an account), and needs no library beyond numpy. Errors: RISK-E01, an argument that breaks
its rule; RISK-E02, numbers that no solution fits.
"""
