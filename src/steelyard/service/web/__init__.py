"""The transport of the API: HTTP, WebSocket and the page, on the loop that the engine runs on.

`settings` are the limits, `service` bundles what is served, `seams` say what is asked of the parts behind it.
`guards` look at hosts and origins, `charges` at credits, `proofs` and `login` at who asks. `methods` are those
that belong to a connection, `connection` is one WebSocket, `requests` answers HTTP, `page` the built page.
`wire_http`, `wire_socket` and `serve` hold uvicorn, `heads` and `framing` know the requests that need none of its
parsing, `app` puts it together. Import from the module that has the name.
"""
