"""The money of a run: reserved before a call, settled after it, never passed.

Belongs here: the arithmetic of dollars left. Does not belong here: what was spent before (`store/models.py`) and what
a call costs (`prices.py`).
"""


class Budget:
    """Dollars that may be spent, minus what was spent and what calls under way may cost.

    Args:
        limit_usd: never passed by `spent_usd` as long as no call costs more than was reserved for it.
        spent_usd: already, by earlier runs of the same week; batches that are still open count with their reserve.
    """

    def __init__(self, limit_usd: float, spent_usd: float = 0.0) -> None:
        self.limit_usd, self.spent_usd, self.reserved_usd = limit_usd, spent_usd, 0.0

    @property
    def left_usd(self) -> float:
        """What can still be reserved."""
        return max(0.0, self.limit_usd - self.spent_usd - self.reserved_usd)

    def reserve(self, usd: float) -> bool:
        """Set dollars aside for a call; False, and nothing is set aside, where they are not there."""
        if not usd <= self.left_usd:  # also where it is NaN
            return False
        self.reserved_usd += usd
        return True

    def settle(self, reserved_usd: float, cost_usd: float) -> None:
        """Book what a call really cost in place of what was reserved for it."""
        self.reserved_usd = max(0.0, self.reserved_usd - reserved_usd)
        self.spent_usd += cost_usd
