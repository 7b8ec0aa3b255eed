"""JSON-RPC 2.0 with Deribit's habits: bytes and a session in, bytes out, whatever carries them.

`limits` measures a body before anybody decodes it, `messages` are what goes over the wire, `errors` the
closed table of numbers, `registry` the methods with their scope and cost, `params` decodes what a method is
asked with, `dispatch` leads a request through all of them, `query` reads the GET form, `discover` describes
the methods. Import from the module that has the name: this page imports none of them.
"""
