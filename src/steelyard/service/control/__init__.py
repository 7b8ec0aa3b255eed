"""The control plane: a REST application at /v1 by which people run the venue.

    accounts, terms, methods, parameters, info, journal    what there is, and what may be written
    controls, proposals, decisions, reservations           halts, two-person changes, margin set aside
    guard       the way of a request: proof → access → credits → idempotency key → handler → problem
    problems    every failure as RFC 9457 has it       errors       which status goes with which code
    idempotency, cursors, answers, asking, shapes          what routes share
    document    openapi.json                           app          all of it together
    trade_methods    the pre-trade check as methods of the JSON-RPC service

Every write is one event of the engine's journal, answered when it is durable. Import from the module that has
the name: this page imports none of them.
"""
