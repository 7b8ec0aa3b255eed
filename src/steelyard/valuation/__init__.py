"""Valuation, step 3 of a tick: what every instrument is worth now and in each scenario.

`black76_price` and `black76_greeks` value European options on a forward; `fill_option_rows` and
`fill_linear_rows` write the scenario table, what one lot gains in each of 32 joint moves of price
and volatility; `option_mark_units` and `perpetual_mark_units` turn a price into an integer mark,
once; `columns`, `grid` and `revalue` do this for the assets that moved, `surfaces` and `heston_scenarios` with what a
fit has brought. For whoever asks, there are also `black_scholes`, `conventions`, `implied_volatility`, `svi` and `heston`. Everything float64 here is
strict: own exponential, logarithm and Mills ratio from exactly rounded steps (`intrinsics`,
`elementary`), so two machines, or two splits of a batch, give the same bits. Each kernel has a
readable twin in plain Python (`elementary_twin`, `black76_twin`, `scenarios_twin`), equal to the last bit, and
`require_exact_kernels` refuses a machine, or a stale cache, that computes anything else.

The kernels compile at import, once; later starts load them from the cache beside the source.
Importing the room alone imports none of them: name the module you need.
"""
