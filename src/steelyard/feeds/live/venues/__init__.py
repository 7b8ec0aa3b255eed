"""Exchanges: one module each, with the class that reads its public WebSocket."""
