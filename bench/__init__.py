"""Figures: each module measures one thing against a peer and prints it as a ratio."""
