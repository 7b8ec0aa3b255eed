"""A client of the service: calls and channels over a WebSocket, and calls over HTTP without asyncio.

    async with Client("ws://127.0.0.1:8710", key_id=…, secret=…) as client:
        summary = await client.call("private/get_account_summary", account="alice")
        async for data in client.subscribe("accounts.200ms"):
            …

It needs websockets and msgspec alone. `steelyard client` is it in the shell.
"""

from steelyard.service.client.client import Client
from steelyard.service.client.errors import Disconnected, NoAnswer, Refused
from steelyard.service.client.http import HttpClient
from steelyard.service.client.subscription import Subscription

__all__ = ["Client", "Disconnected", "HttpClient", "NoAnswer", "Refused", "Subscription"]
