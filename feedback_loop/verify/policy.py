"""How much evidence a verdict needs.

Belongs here: the settings of this stage. Does not belong here: what they do.
"""

from dataclasses import dataclass

_LAST_Q, _EARLY_Q = 0.10, 0.02
_LAST_CONFIDENCE, _EARLY_CONFIDENCE = 0.95, 0.99


@dataclass(frozen=True)
class VerifyPolicy:
    """How much evidence a verdict needs.

    Attributes:
        looks: days after the fix at which it is judged.
        confidences: of the interval at each look; early looks need more, for there are several of them. Empty: .99 at
            every look but the last, .95 there.
        q: accepted share of false discoveries among the fixes judged together, at each look; one number is for every
            look. Empty: .02 at every look but the last, .10 there.
        bar: least reduction that is called effective, 0..1.
        min_expected: affected sessions expected without the fix, over the dispersion; below it nothing is said.
        min_baseline_days: days that the time before with exposures must span.
        history_weeks: weeks before a fix that are looked at, at most.
        min_exposure_share: of the exposures planned by the roll-out that the fixed version must have served.
        max_user_share: of a pattern's sessions that one user may have before the verdict must also hold without them.
        max_mix_shift: total variation of the segment mix from which on it is said that rates were standardised.
    """

    looks: tuple[int, ...] = (14, 21, 28, 42)
    confidences: tuple[float, ...] = ()
    q: float | tuple[float, ...] = ()
    bar: float = 0.30
    min_expected: float = 5.0
    min_baseline_days: int = 7
    history_weeks: int = 16
    min_exposure_share: float = 0.70
    max_user_share: float = 0.25
    max_mix_shift: float = 0.10

    def __post_init__(self) -> None:
        looks = tuple(self.looks)
        if not looks or list(looks) != sorted({*looks}) or looks[0] < 1:
            raise ValueError(f"looks are days after the fix, rising, at least one; got {looks}")
        early = len(looks) - 1
        confidences = tuple(self.confidences) or (*[_EARLY_CONFIDENCE] * early, _LAST_CONFIDENCE)
        given = (self.q,) * len(looks) if isinstance(self.q, int | float) else tuple(self.q)
        q = given or (*[_EARLY_Q] * early, _LAST_Q)
        if len(confidences) != len(looks) or not all(0.5 <= c < 1 for c in confidences):
            raise ValueError(f"confidences are one per look, each in [0.5, 1); got {confidences}")
        if len(q) != len(looks) or not all(0 < share < 1 for share in q):
            raise ValueError(f"q is one number or one per look, each in (0, 1); got {q}")
        if not 0 < self.bar < 1 or self.min_expected <= 0 or self.min_baseline_days < 1 or self.history_weeks < 2:
            raise ValueError(
                "bar lies in (0, 1), min_expected is above 0, min_baseline_days at least 1, history_weeks at least 2"
            )
        for name in ("min_exposure_share", "max_user_share", "max_mix_shift"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} lies in [0, 1], got {getattr(self, name)}")
        for name, value in (("looks", looks), ("confidences", confidences), ("q", q)):
            object.__setattr__(self, name, value)

    def confidence_at(self, day: int) -> float:
        """Of the interval at a look."""
        return self.confidences[self.looks.index(day)]

    def q_at(self, day: int) -> float:
        """Accepted share of false discoveries at a look."""
        return (self.q,)[0] if isinstance(self.q, float) else self.q[self.looks.index(day)]
