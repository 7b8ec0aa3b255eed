"""Publish, step 8: what the venue shows of itself, after the fact and without changing it.

Views of accounts and markets, stories and the feed in words, and explanations: trees whose named parts
sum to the number they explain.
"""

from steelyard.publish.explain import Explanation, explain_risk
from steelyard.publish.feed import feed_lines
from steelyard.publish.market_view import MarketView, SourceView, market_view
from steelyard.publish.story import StoryLine, story_lines
from steelyard.publish.tally import Tally
from steelyard.publish.views import AccountView, account_view, worst_rows

__all__ = [
    "AccountView",
    "Explanation",
    "MarketView",
    "SourceView",
    "StoryLine",
    "Tally",
    "account_view",
    "explain_risk",
    "feed_lines",
    "market_view",
    "story_lines",
    "worst_rows",
]
