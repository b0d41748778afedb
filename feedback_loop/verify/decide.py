"""The verdict of a fix from its numbers, and the reason in words.

Belongs here: guards on the numbers, the rule of each verdict, its sentence. Does not belong here: the numbers
(`estimate.py`) and guards that come from outside (`guards.py`).
"""

from dataclasses import dataclass, field, replace

from feedback_loop.records import NOT_REDUCED, Verdict
from feedback_loop.verify.estimate import Estimate
from feedback_loop.verify.policy import VerifyPolicy


@dataclass(frozen=True)
class Decision:
    """A verdict and why."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Test:
    """What the numbers of a fix say at its look.

    Attributes:
        day: of the look.
        p_cut, p_rise: one-sided p-values of "no cut" and "no rise".
        q_cut, q_rise: the same, corrected for the fixes judged together (Benjamini and Hochberg 1995).
        low, high: interval of the reduction.
        n_together: fixes that were judged together.
    """

    day: int
    p_cut: float
    p_rise: float
    low: float
    high: float
    q_cut: float = 1.0
    q_rise: float = 1.0
    n_together: int = 1
    notes: tuple[str, ...] = field(default=())


def block(estimate: Estimate, delay90: int, day: int, policy: VerifyPolicy) -> str | None:
    """Why there can be no number, or None."""
    if not estimate.exposures_after:
        return "no sessions were served after the fix, so there is nothing to compare"
    if not estimate.exposures_before:
        return "no sessions were recorded before the fix, so there is nothing to compare with"
    if estimate.baseline_days < policy.min_baseline_days:
        return (
            f"only {estimate.baseline_days} days were recorded before the fix; "
            f"a comparison needs {policy.min_baseline_days}"
        )
    if estimate.share is not None and estimate.share < policy.min_exposure_share:
        return (
            f"the fixed version served {estimate.share:.0%} of the sessions that its roll-out planned; "
            f"a comparison needs {policy.min_exposure_share:.0%}"
        )
    if delay90 >= day:
        return f"feedback is late: it takes more than {delay90} days until 90% of it is there"
    return None


def too_rare(estimate: Estimate, policy: VerifyPolicy) -> str | None:
    """Why too little was to be expected, or None."""
    independent = estimate.independent or 0.0
    if independent >= policy.min_expected:
        return None
    if estimate.expected is None:
        return "too rare: it was not seen before the fix, or only in other weeks than were compared"
    return (
        f"too rare: without the fix only about {independent:.1f} cases of different users were to be expected, "
        f"and a comparison needs {policy.min_expected:g}"
    )


def decide(estimate: Estimate, test: Test, policy: VerifyPolicy) -> Decision:
    """The verdict of a fix whose numbers can be had.

    Significant means that the look's interval excludes 0 and that the fix is among the discoveries of those judged
    together; so a verdict never contradicts the interval that is shown with it.
    """
    q, bar = policy.q_at(test.day), policy.bar
    cut = estimate.cut.reduction if estimate.cut else 0.0
    if test.high < 0 and test.q_rise <= q:
        return Decision("worse", "the rate rose")
    if test.low > 0 and test.q_cut <= q:
        if cut >= bar:
            return Decision(
                "effective", f"the rate fell, as best can be told by at least the {bar:.0%} that count as a fix"
            )
        return Decision("partial", f"the rate fell, but as best can be told by less than {bar:.0%}")
    if test.high < bar:
        return Decision("ineffective", f"a cut of {bar:.0%} or more can be ruled out")
    return open_decision(test, policy, _why_open(test, policy))


def _why_open(test: Test, policy: VerifyPolicy) -> str:
    if test.low > 0 or test.high < 0:
        return f"a change that could be chance among {test.n_together} fixes judged together"
    return f"not enough evidence at {policy.confidence_at(test.day):.0%} confidence"


def open_decision(test: Test, policy: VerifyPolicy, why: str) -> Decision:
    """Wait for the next look; after the last, a reduction was not shown."""
    if test.day == policy.looks[-1]:
        return Decision("not_shown", f"after {test.day} days a reduction could still not be shown: {why}")
    return Decision("inconclusive", why)


def without_top_user(decision: Decision, other: Decision, share: float, test: Test, policy: VerifyPolicy) -> Decision:
    """One user has much of the pattern: the verdict counts only if it is the same without them."""
    who = f"one user has {share:.0%} of the sessions"
    if decision.verdict == other.verdict or decision.verdict in ("inconclusive", "not_shown"):
        return replace(decision, reason=f"{decision.reason}; {who}, and without them it is the same")
    said = f"{who}, and without them it would be {other.verdict.replace('_', ' ')}"
    return open_decision(test, policy, f"{decision.verdict} rests on one user: {said}")


def displaced(decision: Decision, rise: float) -> Decision:
    """Sibling patterns rose while this one fell: the failure has moved, it was not fixed."""
    if decision.verdict in NOT_REDUCED or decision.verdict not in ("effective", "partial"):
        return decision
    return Decision("ineffective", f"displaced: {decision.reason}, but patterns of the same parent rose by {rise:.0%}")
