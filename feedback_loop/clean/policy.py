"""The settings of the clean stage and its reason codes. Does not belong here: anything that computes."""

from dataclasses import dataclass
from math import inf
from typing import Literal

from feedback_loop.records import EXCLUSION_REASONS, ExclusionReason, check_between

Effect = Literal["excluded", "wordless", "weighted"]
"""What a reason does to a feedback record: it does not count at all; its words are not read; it weighs less where
patterns are ranked and earn tickets, and counts as ever in rates and verdicts."""

_MAY_EXCLUDE = frozenset(EXCLUSION_REASONS) - {"low_effort"}


@dataclass(frozen=True)
class CleanPolicy:
    """Which feedback is left out, and whose weighs less.

    Attributes:
        disabled: reason codes that are not looked for.
        excluding: reason codes that take feedback out of every count; the others only lower its weight.
        trusted_users: hashed ids, as `feedback-loop exclusions` shows them; nothing of theirs is left out.
        past_weeks: weeks before, in which accounts and habits are looked up.
        alike: least similarity of two texts that are copies, 0..1.
        max_repeats: times that a rater's copies of one text count in a week.
        max_per_user: complaints of one rater that count in a week.
        max_per_pattern: cases of one user that weigh in a pattern's week.
        min_campaign: accounts that send copies of one text, for a campaign.
        min_campaign_words: words of such a text; shorter ones are what people say.
        new_days: an account is new until so many days after it was first seen,
        new_interactions: and as long as it has so many interactions at most.
        new_account_weight: of what new accounts say.
        new_account_odds: times their usual odds that new accounts weigh in a pattern at most, against established ones.
        min_burst: new accounts that complain within one hour or day, for a burst.
        burst_p: chance of so many, by the application's own rate, below which it is one.
        min_constant: interactions of a rater, for their habit to be known.
        constant_share: of them complained about, from which on a rater always rates the same.
        constant_prior: interactions that the application's own share counts for in a rater's.
    """

    disabled: tuple[ExclusionReason, ...] = ()
    excluding: tuple[ExclusionReason, ...] = ("exact_duplicate", "near_duplicate", "campaign", "user_cap")
    trusted_users: tuple[str, ...] = ()
    past_weeks: int = 8
    alike: float = 0.8
    max_repeats: int = 5
    max_per_user: int = 100
    max_per_pattern: int = 3
    min_campaign: int = 8
    min_campaign_words: int = 5
    new_days: int = 14
    new_interactions: int = 5
    new_account_weight: float = 0.5
    new_account_odds: float = 3.0
    min_burst: int = 10
    burst_p: float = 1e-6
    min_constant: int = 10
    constant_share: float = 0.9
    constant_prior: float = 10.0

    def __post_init__(self) -> None:
        for name in ("disabled", "excluding"):
            if unknown := sorted(set(getattr(self, name)) - set(EXCLUSION_REASONS)):
                raise ValueError(f"{name} names {unknown[0]!r}; reasons are {', '.join(EXCLUSION_REASONS)}")
        if forbidden := sorted(set(self.excluding) - _MAY_EXCLUDE):
            raise ValueError(f"excluding names {forbidden[0]!r}: words without content do not make a signal untrue")
        if wrong := [user for user in self.trusted_users if not user.strip()]:
            raise ValueError(f"trusted_users are hashed ids, got {wrong[0]!r}")
        check_between(self, 0, 1, "alike", "new_account_weight", "burst_p", "constant_share")
        check_between(self, 1, inf, "max_repeats", "max_per_user", "max_per_pattern", "min_campaign", "min_burst")
        check_between(self, 1, inf, "min_campaign_words", "min_constant", "new_account_odds")
        check_between(self, 0, inf, "new_interactions", "constant_prior")
        check_between(self, 1, 52, "past_weeks")
        check_between(self, 1, 7 * self.past_weeks, "new_days")

    def effect(self, reason: ExclusionReason) -> Effect:
        """What a reason does."""
        if reason == "low_effort":
            return "wordless"
        return "excluded" if reason in self.excluding else "weighted"
