"""The plan of a simulation: settings, cohorts, planted failures, and what each fix will do.

Belongs here: everything about the simulated world that is decided before the first week is drawn. Does not belong
here: words (`simulator_texts.py`, `simulator_complaints.py`), random draws (`simulator_traffic.py`) and the people who
read tickets (`people.py`). The loop never reads any of it.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from feedback_loop.errors import ConfigurationError

FIRST_VERSION = "1"
FIRST_RELEASE_AFTER_DAYS = 16
DAYS_BETWEEN_RELEASES = 21
MIN_PROMPT_LEAD_DAYS = 2
SECOND_ATTEMPT_LEAD_DAYS = 3
CANARY_HOURS = 6
CANARY_SHARE = 0.2
RELEASE_TIME = time(16, 0, tzinfo=UTC)
CHANGE_TIME = time(10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class SimulatorSettings:
    """Size, dates and seed of a simulation.

    Attributes:
        seed: everything random follows from it.
        first_week: the Monday on which traffic starts.
        n_weeks: weeks that can be stepped through.
        sessions_per_week: expected sessions of the first week; a session has 1.67 turns on average.
        growth: relative growth of the traffic per week.
        application: `application` of every record.
        prompt_name: `prompt_name` of every record.

    Raises:
        ConfigurationError: a value makes no sense; the message names it.
    """

    seed: int = 7
    first_week: date = date(2026, 1, 5)
    n_weeks: int = 12
    sessions_per_week: int = 5600
    growth: float = 0.02
    application: str = "support-assistant"
    prompt_name: str = "support"

    def __post_init__(self) -> None:
        if self.first_week.weekday() != 0:
            raise ConfigurationError(f"first_week {self.first_week} is not a Monday")
        for name in ("n_weeks", "sessions_per_week"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.seed < 0:
            raise ConfigurationError(f"seed must not be negative, not {self.seed}")
        if not -0.5 < self.growth < 0.5:
            raise ConfigurationError(f"growth {self.growth} is not between -0.5 and 0.5")

    def week_start(self, index: int) -> datetime:
        """Start of week `index` (0 is the first), Monday 00:00 UTC."""
        return datetime.combine(self.first_week, time(tzinfo=UTC)) + timedelta(weeks=index)

    def release_slots(self) -> list[datetime]:
        """When a prompt version can be released: far enough apart that each serves more than 14 days."""
        start = datetime.combine(self.first_week, RELEASE_TIME) + timedelta(days=FIRST_RELEASE_AFTER_DAYS)
        slots = (start + timedelta(days=DAYS_BETWEEN_RELEASES * n) for n in range(self.n_weeks))
        return [slot for slot in slots if slot < self.week_start(self.n_weeks)]


@dataclass(frozen=True)
class Cohort:
    """A group of users.

    Attributes:
        name: value of the `cohort` field.
        share: share of the users.
        negative_response: probability that a failed interaction gets any feedback.
        positive_response: factor on the probabilities of positive feedback.
        sample_rate: share of the traffic that is captured.
    """

    name: str
    share: float
    negative_response: float
    positive_response: float
    sample_rate: float


COHORTS = (
    Cohort("consumer", 0.62, 0.86, 0.8, 1.0),
    Cohort("business", 0.26, 0.97, 1.6, 1.0),
    Cohort("partner", 0.12, 0.92, 1.2, 0.5),
)


@dataclass(frozen=True)
class Effect:
    """What one attempt at a fix does.

    Attributes:
        cut: share of the failure's rate that it takes away.
        returns_after_days: after so many days the old rate is back; None means never.
    """

    cut: float
    returns_after_days: int | None = None


WORKS, HALVES, NOTHING = Effect(0.92), Effect(0.5), Effect(0.0)
REGRESSES = Effect(0.9, returns_after_days=35)


@dataclass(frozen=True)
class PlantedFailure:
    """One failure of the simulated assistant and the plan for its fix.

    Attributes:
        failure_id: short name, the key in `truth.json`.
        title: what goes wrong, for people.
        cause: prompt, retrieval, model or product.
        severity: 1 (minor) to 4 (critical); decides the mix of signals.
        rate: probability that an interaction fails this way while nothing is fixed.
        starts_in_week: first week in which it happens.
        reasons: reason codes its reporters choose, the first one mostly.
        subjects: what the failed questions are about (indexes of `simulator_texts.SUBJECTS`).
        attempts: what the first, second, ... shipped fix does; empty where nobody fixes it.
        lead_days: days from the ticket's Monday to the first fix; prompt fixes wait for a release slot instead.
    """

    failure_id: str
    title: str
    cause: str
    severity: int
    rate: float
    starts_in_week: int
    reasons: tuple[str, ...]
    subjects: tuple[int, ...]
    attempts: tuple[Effect, ...] = ()
    lead_days: int = 3

    @property
    def fate(self) -> str:
        """What becomes of it after its first fix: works, halves, nothing, regresses or unfixed."""
        if not self.attempts:
            return "unfixed"
        first = self.attempts[0]
        if first.returns_after_days is not None:
            return "regresses"
        return {HALVES: "halves", NOTHING: "nothing"}.get(first, "works")


FAILURES = (
    PlantedFailure(
        "ignores_format", "Prose where a list or table was asked for", "prompt", 2, 0.049, 0,
        ("did_not_follow_instructions", "too_long"), (1, 2, 4, 5, 6, 9, 11), (WORKS,),
    ),
    PlantedFailure(
        "long_winded", "The answer is buried in a long preamble", "prompt", 1, 0.050, 3,
        ("too_long", "off_topic"), (0, 1, 2, 3, 4, 7, 8, 10), (WORKS,),
    ),
    PlantedFailure(
        "wrong_tone", "Cheerful or scolding towards upset customers", "prompt", 2, 0.046, 0,
        ("wrong_tone",), (0, 2, 3, 4, 7, 9, 10), (HALVES, WORKS),
    ),
    PlantedFailure(
        "outdated_prices", "Quotes prices of last year's price list", "retrieval", 3, 0.049, 0,
        ("outdated", "wrong_information"), (1, 2, 4, 6, 8, 9), (REGRESSES, WORKS), 2,
    ),
    PlantedFailure(
        "article_not_found", "Finds no help article although there is one", "retrieval", 2, 0.049, 0,
        ("missing_source",), (0, 3, 5, 6, 7, 9, 10, 11), (NOTHING, WORKS), 3,
    ),
    PlantedFailure(
        "wrong_product", "Answers from the manual of another product", "retrieval", 3, 0.056, 2,
        ("off_topic", "wrong_information"), (2, 3, 5, 6, 7, 9, 11), (WORKS,), 4,
    ),
    PlantedFailure(
        "wrong_country", "Applies the policy of another country", "retrieval", 3, 0.0085, 5,
        ("wrong_information", "outdated"), (0, 1, 2, 7, 8, 9), (WORKS,), 4,
    ),
    PlantedFailure(
        "invented_menu", "Invents buttons and settings that do not exist", "model", 3, 0.048, 0,
        ("made_up", "wrong_information"), (1, 3, 4, 5, 6, 10, 11), (WORKS,), 9,
    ),
    PlantedFailure(
        "refuses_harmless", "Refuses harmless questions as unsafe", "model", 2, 0.056, 4,
        ("refused",), (0, 1, 3, 5, 6, 10, 11), (WORKS,), 4,
    ),
    PlantedFailure(
        "bad_arithmetic", "Adds up amounts wrongly", "model", 3, 0.0085, 0,
        ("wrong_information",), (0, 1, 4, 8),
    ),
    PlantedFailure(
        "forgets_context", "Asks again for what was said before", "model", 2, 0.0058, 1,
        ("forgot_context",), (0, 2, 7, 9, 10),
    ),
    PlantedFailure(
        "dead_link", "Links lead to pages that are gone", "product", 2, 0.049, 0,
        ("broken_link",), (1, 3, 5, 6, 7, 9, 11), (WORKS,), 8,
    ),
    PlantedFailure(
        "action_not_done", "Confirms an action that never happens", "product", 4, 0.063, 2,
        ("action_failed", "made_up"), (0, 2, 4, 7, 8, 10), (WORKS,), 3,
    ),
    PlantedFailure(
        "times_out", "Hangs, or stops in the middle of the answer", "product", 3, 0.0046, 0,
        ("incomplete",), (1, 3, 5, 6, 11),
    ),
)  # fmt: skip

REASON_CODES = (
    "wrong_information", "outdated", "missing_source", "did_not_follow_instructions", "too_long", "wrong_tone",
    "broken_link", "action_failed", "refused", "made_up", "wrong_language", "off_topic",
    "incomplete", "forgot_context",
)  # fmt: skip


@dataclass(frozen=True)
class SimulatedDeployment:
    """A change of the simulated assistant.

    Attributes:
        deployed_at: from here on everybody gets it, UTC.
        prompt_version: the version a prompt release brings; None for a retrieval, product or model change.
        planted_failures: ids of the failures it attempts to fix; the n-th deployment that names one is attempt n.
        canary_at: from here until `deployed_at` a share of `CANARY_SHARE` of the sessions gets it; None means no ramp.
    """

    deployed_at: datetime
    prompt_version: str | None
    planted_failures: tuple[str, ...]
    canary_at: datetime | None = None


def next_ship_time(
    failure: PlantedFailure, attempt: int, seen: datetime, settings: SimulatorSettings
) -> datetime | None:
    """When attempt `attempt` (0 is the first) at a failure ships, given the Monday its (re)opened ticket was seen.

    Returns:
        None where the plan has no such attempt, or no prompt release is left.
    """
    if attempt >= len(failure.attempts):
        return None
    if failure.cause == "prompt":
        earliest = seen + timedelta(days=MIN_PROMPT_LEAD_DAYS)
        return next((slot for slot in settings.release_slots() if slot >= earliest), None)
    lead = failure.lead_days if attempt == 0 else SECOND_ATTEMPT_LEAD_DAYS
    return datetime.combine(seen.date() + timedelta(days=lead), CHANGE_TIME)


def bundle(shipments: Iterable[tuple[datetime, PlantedFailure]], next_version: int) -> list[SimulatedDeployment]:
    """Deployments of (time, failure) pairs: prompt fixes of one slot become one release, other changes go alone.

    Args:
        shipments: in any order; the result is in time order.
        next_version: number of the first prompt release among them.
    """
    releases: dict[datetime, list[str]] = {}
    deployments = []
    for at, failure in sorted(shipments, key=lambda pair: (pair[0], pair[1].failure_id)):
        if failure.cause == "prompt":
            releases.setdefault(at, []).append(failure.failure_id)
        else:
            deployments.append(SimulatedDeployment(at, None, (failure.failure_id,)))
    for number, (at, failures) in enumerate(sorted(releases.items()), start=next_version):
        canary_at = at - timedelta(hours=CANARY_HOURS)
        deployments.append(SimulatedDeployment(at, str(number), tuple(failures), canary_at))
    return sorted(deployments, key=lambda deployment: deployment.deployed_at)


def planned_deployments(settings: SimulatorSettings) -> list[SimulatedDeployment]:
    """The deployments of a simulation in which every failure gets a ticket on the Monday after its first week.

    Second attempts follow a ticket that reopens on the Monday after the 14th day.
    """
    shipments = []
    for failure in FAILURES:
        seen = settings.week_start(failure.starts_in_week + 1)
        for attempt, effect in enumerate(failure.attempts):
            at = next_ship_time(failure, attempt, seen, settings)
            if at is None or at >= settings.week_start(settings.n_weeks):
                break
            shipments.append((at, failure))
            noticed = at + timedelta(days=14 + (effect.returns_after_days or 0))
            seen = _monday_on_or_after(noticed)
    return bundle(shipments, next_version=int(FIRST_VERSION) + 1)


def deployment_records(
    deployment: SimulatedDeployment, settings: SimulatorSettings, fixes: Iterable[str], rationale: str
) -> list[dict[str, Any]]:
    """The deployment in the import format: the canary, where there is one, then the full rollout.

    Args:
        deployment: what was changed.
        settings: application and prompt name.
        fixes: ticket keys or pattern ids; only the full rollout carries them, it is day 0.
        rationale: why, in words.
    """
    record: dict[str, Any] = {
        "type": "deployment",
        "deployment_id": f"{settings.application}-{deployment.deployed_at:%Y%m%dT%H%M}-"
        + (f"v{deployment.prompt_version}" if deployment.prompt_version else _code(deployment.planted_failures)),
        "application": settings.application,
        "deployed_at": format_time(deployment.deployed_at),
        "rollout_share": 1.0,
        "fixes": list(fixes),
        "rationale": rationale,
    }
    if deployment.prompt_version is not None:
        record |= {"prompt_name": settings.prompt_name, "prompt_version": deployment.prompt_version}
    if deployment.canary_at is None:
        return [record]
    canary = record | {
        "deployment_id": record["deployment_id"] + "-canary",
        "deployed_at": format_time(deployment.canary_at),
        "rollout_share": CANARY_SHARE,
        "fixes": [],
    }
    return [canary, record]


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _code(planted_failures: tuple[str, ...]) -> str:
    """Tells changes of the same minute apart without naming what they fix: the loop reads this id."""
    return f"{zlib.crc32(' '.join(planted_failures).encode()):08x}"


def _monday_on_or_after(moment: datetime) -> datetime:
    day = datetime.combine(moment.date(), time(tzinfo=UTC))
    day += timedelta(days=(-day.weekday()) % 7)
    return day if day >= moment else day + timedelta(days=7)
