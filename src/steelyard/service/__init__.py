"""Service: the engine's face to programs, as bytes in and bytes out.

`rpc` speaks JSON-RPC 2.0 with the habits of an option venue, `access` knows keys, scopes and credits, and
`answers` holds what the methods say. No socket, clock or source of chance is in here: a transport hands
over bytes and what it knows of the caller, and gets bytes back.
"""
