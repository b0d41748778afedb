"""The money of a run: reserved before a call, settled after it, never passed.

Belongs here: the arithmetic of dollars left. Does not belong here: what was spent before (`store/models.py`) and what
a call costs (`prices.py`).
"""


class Budget:
    """Dollars that may be spent, less what was spent and what calls under way may cost.

    Args:
        limit_usd: `spent_usd + reserved_usd` does not pass it as long as no call costs more than was reserved for it.
        spent_usd: already, by earlier runs of the same week.
        reserved_usd: for batches of earlier runs that are not over.
    """

    def __init__(self, limit_usd: float, spent_usd: float = 0.0, reserved_usd: float = 0.0) -> None:
        self.limit_usd, self.spent_usd, self.reserved_usd = limit_usd, spent_usd, reserved_usd

    @property
    def left_usd(self) -> float:
        """What can still be reserved."""
        return max(0.0, self.limit_usd - self.spent_usd - self.reserved_usd)

    def reserve(self, usd: float) -> bool:
        """Set dollars aside for a call; False, and nothing is set aside, where they are not there."""
        if not 0 <= usd <= self.left_usd:  # also where it is NaN
            return False
        self.reserved_usd += usd
        return True

    def settle(self, reserved_usd: float, cost_usd: float) -> None:
        """Book what a call really cost in place of what was reserved for it."""
        self.reserved_usd = max(0.0, self.reserved_usd - reserved_usd)
        self.spent_usd += cost_usd
