"""Access: who may do what, decided without any transport, and refused where anything is in doubt.

`keys` and `key_file` hold API keys, `ring` proves them, `signing` and `replay` check signed requests,
`tokens` gives and reads access tokens, `matrix` says what a session may call, and `credits` how often.
Clocks and random bytes come in as arguments; nothing here opens a connection.

One thread calls `Verifier`, `TokenStore` and `Credits`, that of the transport's event loop. `KeyRing` alone may
be asked by several: a secret takes a tenth of a second to prove and is proven beside the loop.
"""

from steelyard.service.access.credits import Credits, Decision, Limit, Policy
from steelyard.service.access.errors import AccessError, TooManyRequests
from steelyard.service.access.key_file import (
    create_key,
    list_keys,
    reseal_keys,
    revoke_key,
    rotate_key,
)
from steelyard.service.access.keys import Created, Key, Rights, parse_keys
from steelyard.service.access.matrix import Cell, Matrix, Row, check_routes
from steelyard.service.access.replay import ReplayCache
from steelyard.service.access.ring import KeyRing
from steelyard.service.access.scope_words import parse_scope, scope_text
from steelyard.service.access.sealing import MasterKey, OnceSecret, ScryptCost, read_master_key
from steelyard.service.access.session import ANONYMOUS, SCOPES, Scope, Session
from steelyard.service.access.signing import (
    AuthSignature,
    Claim,
    Verifier,
    auth_text,
    parse_header,
    sign_auth,
    sign_request,
    signed_text,
)
from steelyard.service.access.tokens import Tokens, TokenStore

__all__ = [
    "ANONYMOUS",
    "SCOPES",
    "AccessError",
    "AuthSignature",
    "Cell",
    "Claim",
    "Created",
    "Credits",
    "Decision",
    "Key",
    "KeyRing",
    "Limit",
    "MasterKey",
    "Matrix",
    "OnceSecret",
    "Policy",
    "ReplayCache",
    "Rights",
    "Row",
    "Scope",
    "ScryptCost",
    "Session",
    "TokenStore",
    "Tokens",
    "TooManyRequests",
    "Verifier",
    "auth_text",
    "check_routes",
    "create_key",
    "list_keys",
    "parse_header",
    "parse_keys",
    "parse_scope",
    "read_master_key",
    "reseal_keys",
    "revoke_key",
    "rotate_key",
    "scope_text",
    "sign_auth",
    "sign_request",
    "signed_text",
]
