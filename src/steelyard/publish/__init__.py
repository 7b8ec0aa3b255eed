"""Publish, step 8: what the venue shows of itself, after the fact and without changing it.

Views of accounts and markets, deltas with gapless sequence numbers, and explanations: trees whose
named parts sum to the number they explain.
"""
