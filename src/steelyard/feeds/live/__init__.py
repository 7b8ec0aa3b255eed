"""Live feeds: frames of exchanges and oracle networks become messages, and messages become events.

client     bytes in, messages out, and what must be sent: one class a venue, no socket in it
connection one WebSocket: connect, subscribe, keep alive, reconnect, record every raw frame
driver     messages of all connections become the events of an engine
"""
