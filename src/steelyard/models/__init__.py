"""Models: slow fits that reach the engine as events, never as calls.

A fit may take milliseconds and as many iterations as it needs; what it finds is journaled as an input
event, so a replay reads the numbers and repeats no search. Everything here is deterministic: no
chance, a fixed order of sums, the kernels of `valuation` underneath. Heston calibration is in
`heston_calibration`; smiles and chains are fitted in the modules beside it.
"""
