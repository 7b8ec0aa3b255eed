"""Channels: what subscribers are sent, snapshot first and then deltas without a gap."""
