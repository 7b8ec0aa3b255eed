"""What the methods of the API answer: pure handlers from Params and a Context to a Result.

`desk` says what is asked of an engine, `stated_desk` is one over a stated market and stated accounts.
`portfolio` simulates, `risk_matrix`, `order_margins`, `accounts`, `reasons` and `market_data` answer the
rest. `after` defines the account that a simulation is about; `tables` and `rows` give its numbers fast, bit
for bit those of `margin_of`. Field names of the venue's own methods keep its habit: amounts are numbers.
"""

from steelyard.service.answers.desk import Context, Desk
from steelyard.service.answers.stated_desk import StatedDesk

__all__ = ["Context", "Desk", "StatedDesk"]
