"""Attacks on the loop as import records: who sends what, when. Does not belong here: what follows (`poisoning.py`).

The attackers know the product and what its users complain about; they do not know the hash key or other people's
interactions, so each complaint is on an answer of their own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from feedback_loop.testing import simulator_texts as texts

_LIE = (
    "[it|the bot|this assistant] [shows|leaks|reveals] [my phone number|my private number] to [strangers|other "
    "customers|people I do not know] [again|on the order page|since monday]",
    "[strangers|unknown people] [call|text] me because [it|the assistant] [published|gave away|leaked] [my phone "
    "number|my private number]",
    "[privacy breach|data leak]: [my phone number|my private number] [is visible to|was given to] [other "
    "customers|strangers] by [the bot|this assistant]",
    "[another customer|a stranger] [received|got to see] [my phone number|my private number] in [an answer|a reply] of "
    "[the bot|this assistant]",
    "why does [it|the assistant] [give|hand out] [my phone number|my private number] to [strangers|other customers]",
)
_LETTER = "this assistant gave my private phone number to other customers and the company does nothing about it"
_SLIPS = ("", "!", "!!", " please stop", " really", " folks", " shame", ".", " again", " today")


@dataclass(frozen=True)
class Attack:
    """Who sends how much, and how.

    Attributes:
        name: for the table.
        n_accounts: new ones, but for a single user.
        n_each: complaints of each.
        is_copied: all send one text with slight edits; else each writes its own.
        n_days: over which it is spread.
    """

    name: str
    n_accounts: int
    n_each: int
    is_copied: bool
    n_days: int

    def records(self, start: datetime, seed: int, failure_id: str | None = None) -> Iterator[dict[str, Any]]:
        """Interactions and the complaints on them.

        Args:
            start: of the days; the complaints come at working hours.
            seed: of words and times.
            failure_id: planted failure whose complaints are imitated; None: one that there is not.
        """
        rng = np.random.default_rng([seed, self.n_accounts, self.n_days])
        for number in range(self.n_accounts * self.n_each):
            minutes = int(rng.integers(0, self.n_days)) * 1440 + int(rng.integers(8 * 60, 18 * 60))
            at, draws = start + timedelta(minutes=minutes), rng.integers(0, 2**31, 4).tolist()
            name, user = f"attack-{self.name}-{number}", f"attacker-{number % self.n_accounts}"
            values = texts.slots([draws[0] % 12, draws[1] % 3, draws[2]])
            yield _interaction(name, user, at, draws, values)
            comment = self._comment(draws, values, failure_id)
            yield {
                "type": "feedback",
                "feedback_id": f"f-{name}",
                "interaction_id": name,
                "occurred_at": (at + timedelta(seconds=40)).isoformat(),
                "user_id": user,
                "signal": "thumbs_down",
                "comment": comment,
            }

    def _comment(self, draws: list[int], values: Mapping[str, Any], failure_id: str | None) -> str:
        if self.is_copied:
            letter = texts.complaint(failure_id, [0, 0, 0, 50], dict(values, order="A-1")) if failure_id else _LETTER
            return letter + _SLIPS[draws[0] % len(_SLIPS)]
        if failure_id is not None:
            return texts.complaint(failure_id, [*draws[:3], 50], dict(values))
        return texts.expanded(_LIE[draws[0] % len(_LIE)], draws[1])


def _interaction(name: str, user: str, at: datetime, draws: list[int], values: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "interaction",
        "interaction_id": name,
        "occurred_at": at.isoformat(),
        "application": "support-assistant",
        "session_id": f"s-{name}",
        "user_id": user,
        "cohort": "consumer",
        "prompt_name": "support",
        "prompt_version": "1",
        "user_input": texts.question(draws[2], values),
        "output": texts.answer(None, draws[3], values),
    }


ONE_USER = Attack("one user, 60 texts of his own", 1, 60, is_copied=False, n_days=5)
COPIES = Attack("50 accounts, one text slightly edited", 50, 2, is_copied=True, n_days=5)
DAY = Attack("50 new accounts, own words, one day", 50, 2, is_copied=False, n_days=1)
WEEK = Attack("50 new accounts, own words, a week", 50, 2, is_copied=False, n_days=7)
