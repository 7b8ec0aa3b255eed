"""Models: slow fits that reach the engine as events, never as calls.

A fit may take milliseconds and as many iterations as it needs; what it finds is journaled as an input
event, so a replay reads the numbers and repeats no search. Everything here is deterministic: no
chance, a fixed order of sums, the kernels of `valuation` underneath. A chain of quotes takes
this way: `quotes` and `forwards`, `ssvi_base` and `correction_fit` under `chain_fit`, `bands` and `arbitrage`
between expiries, `surface_fit` around it all; `surface` is what comes out, `live_surface` what the engine gets.
`svi_slice` fits one raw SVI curve, `heston_calibration` a Heston model.
"""
