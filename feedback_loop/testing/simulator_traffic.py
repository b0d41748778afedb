"""Who came when, and which answers failed: one week of traffic as arrays.

Belongs here: the random draws behind interactions, all vectorised. Does not belong here: words, records
(`simulator.py`) and what users say about an answer (`simulator_feedback.py`).

Times are milliseconds since the epoch, UTC. `failure` holds the index of the planted failure, or `OK`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np
import numpy.typing as npt

from feedback_loop.testing.simulator_plan import (
    CANARY_SHARE,
    COHORTS,
    FIRST_VERSION,
    PlantedFailure,
    SimulatedDeployment,
    SimulatorSettings,
)
from feedback_loop.testing.simulator_texts import PRODUCTS, SUBJECTS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

OK = -1
MS_PER_DAY = 86_400_000
USERS_PER_SESSION_A_WEEK = 0.7
N_SPAMMERS = 3
SPAM_SESSIONS_SHARE = 0.0055
CAMPAIGN_WEEK = 6
CAMPAIGN_SESSIONS_SHARE = 0.015
TURN_SHARES = (0.5, 0.33, 0.17)
MAX_TURN_GAP_MS = 240_000
SAME_FAILURE_AGAIN = 0.25
BACK_WITHIN_HOURS = 0.15

_DAY_SHARES = np.array([1.15, 1.12, 1.08, 1.06, 1.0, 0.62, 0.5])
_HOUR_SHARES = np.array([1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 12, 11, 12, 13, 13, 12, 10, 8, 7, 6, 4, 3, 2], dtype=float)


@dataclass(frozen=True)
class Users:
    """The people, drawn once per simulation.

    Regular users come first, then spammers, then the accounts of the campaign.

    Attributes:
        cohort: index into `COHORTS`.
        reach: cumulated share of the sessions, regular users only; heavy-tailed.
        frailty: how much more often than others they run into failures; mean 1 over the traffic.
    """

    cohort: Ints
    reach: Floats
    frailty: Floats
    n_regular: int

    @property
    def n_campaign(self) -> int:
        """Throw-away accounts of the one campaign."""
        return len(self.cohort) - self.n_regular - N_SPAMMERS

    def is_spammer(self, user: Ints) -> Bools:
        """Which of these users click "bad" on everything."""
        return (user >= self.n_regular) & (user < self.n_regular + N_SPAMMERS)


@dataclass(frozen=True)
class Traffic:
    """Interactions of one week in time order; every array has one entry per interaction."""

    at_ms: Ints
    session: Ints
    turn: Ints
    is_last_turn: Bools
    user: Ints
    version: Ints
    failure: Ints
    subject: Ints
    product: Ints

    def __len__(self) -> int:
        return len(self.at_ms)


@dataclass(frozen=True)
class _Sessions:
    start_ms: Ints
    user: Ints
    n_turns: Ints


def draw_users(rng: np.random.Generator, settings: SimulatorSettings) -> Users:
    """Draw the population of a simulation."""
    n_regular = max(20, round(settings.sessions_per_week * USERS_PER_SESSION_A_WEEK))
    n_campaign = max(2, round(settings.sessions_per_week * CAMPAIGN_SESSIONS_SHARE / 2))
    weights = np.minimum(rng.pareto(1.2, n_regular) + 0.2, 60.0)
    n_users = n_regular + N_SPAMMERS + n_campaign
    frailty = rng.gamma(6.0, 1 / 6.0, n_users)
    return Users(
        cohort=rng.choice(len(COHORTS), n_users, p=[cohort.share for cohort in COHORTS]),
        reach=np.cumsum(weights) / weights.sum(),
        frailty=frailty / np.average(frailty[:n_regular], weights=weights),
        n_regular=n_regular,
    )


def draw_traffic(
    rng: np.random.Generator,
    settings: SimulatorSettings,
    users: Users,
    index: int,
    failures: Sequence[PlantedFailure],
    deployments: Sequence[SimulatedDeployment],
) -> Traffic:
    """Draw the interactions of week `index`, given everything deployed until its end."""
    sessions = _draw_sessions(rng, settings, users, index)
    share = rng.random(len(sessions.start_ms))
    version = np.full(len(share), int(FIRST_VERSION), dtype=np.int64)
    rates = np.tile([f.rate if f.starts_in_week <= index else 0.0 for f in failures], (len(share), 1))
    _apply(deployments, failures, sessions.start_ms, share, version, rates)

    of = np.repeat(np.arange(len(share)), sessions.n_turns)
    turn = np.arange(len(of)) - np.repeat(np.cumsum(sessions.n_turns) - sessions.n_turns, sessions.n_turns)
    gap = np.where(turn == 0, 0, rng.integers(20_000, MAX_TURN_GAP_MS, len(of)))
    elapsed = np.cumsum(gap)
    user = sessions.user[of]
    failure = _draw_failures(rng, rates[of] * users.frailty[user, None] / _repetition(), turn)
    failure[user >= users.n_regular] = OK
    traffic = Traffic(
        at_ms=sessions.start_ms[of] + elapsed - elapsed[np.arange(len(of)) - turn],
        session=of,
        turn=turn + 1,
        is_last_turn=turn + 1 == sessions.n_turns[of],
        user=user,
        version=version[of],
        failure=failure,
        subject=_draw_subjects(rng, failure, failures),
        product=rng.integers(0, len(PRODUCTS), len(share))[of],
    )
    order = np.argsort(traffic.at_ms, kind="stable")
    return Traffic(*(getattr(traffic, field.name)[order] for field in fields(Traffic)))


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(moment.timestamp() * 1000)


def _draw_sessions(rng: np.random.Generator, settings: SimulatorSettings, users: Users, index: int) -> _Sessions:
    expected = settings.sessions_per_week * (1 + settings.growth) ** index
    n = max(1, int(rng.poisson(expected)))
    user = np.minimum(np.searchsorted(users.reach, rng.random(n)), users.n_regular - 1)
    day = rng.choice(7, n, p=_DAY_SHARES / _DAY_SHARES.sum())
    hour = rng.choice(24, n, p=_HOUR_SHARES / _HOUR_SHARES.sum())
    start = day * MS_PER_DAY + hour * 3_600_000 + rng.integers(0, 3_600_000, n)
    # The same person comes back soon: copies of the neighbour, whose order is random.
    back = np.flatnonzero(rng.random(n) < BACK_WITHIN_HOURS)
    user[back] = user[back - 1]
    start[back] = start[back - 1] + rng.exponential(3_600_000, len(back)).astype(np.int64)

    n_spam = int(rng.poisson(expected * SPAM_SESSIONS_SHARE))
    spammer = users.n_regular + rng.integers(0, N_SPAMMERS, n_spam)
    spam_start = rng.integers(0, 7 * MS_PER_DAY, n_spam)
    n_campaign = int(expected * CAMPAIGN_SESSIONS_SHARE) if index == CAMPAIGN_WEEK else 0
    campaigner = users.n_regular + N_SPAMMERS + rng.integers(0, users.n_campaign, n_campaign)
    campaign_start = rng.integers(MS_PER_DAY, 2 * MS_PER_DAY, n_campaign)

    start = np.concatenate([start, spam_start, campaign_start])
    start = np.minimum(start, 7 * MS_PER_DAY - len(TURN_SHARES) * MAX_TURN_GAP_MS)
    order = np.argsort(start, kind="stable")
    turns = rng.choice(np.arange(1, len(TURN_SHARES) + 1), len(start), p=TURN_SHARES)
    user = np.concatenate([user, spammer, campaigner])
    return _Sessions(start[order] + to_ms(settings.week_start(index)), user[order], turns)


def _apply(
    deployments: Sequence[SimulatedDeployment],
    failures: Sequence[PlantedFailure],
    start_ms: Ints,
    share: Floats,
    version: Ints,
    rates: Floats,
) -> None:
    """Set the prompt version and the failure rates (session x failure) of sessions, in place."""
    places = {failure.failure_id: place for place, failure in enumerate(failures)}
    base = rates.copy()
    n_attempts = dict.fromkeys(places, 0)
    for deployment in sorted(deployments, key=lambda d: d.deployed_at):
        served = start_ms >= to_ms(deployment.deployed_at)
        if deployment.canary_at is not None:
            served |= (start_ms >= to_ms(deployment.canary_at)) & (share < CANARY_SHARE)
        if deployment.prompt_version is not None:
            version[served] = int(deployment.prompt_version)
        for failure_id in deployment.planted_failures:
            place = places[failure_id]
            effect = failures[place].attempts[n_attempts[failure_id]]
            n_attempts[failure_id] += 1
            rates[served, place] = base[served, place] * (1 - effect.cut)
            if effect.returns_after_days is not None:
                back = start_ms >= to_ms(deployment.deployed_at) + effect.returns_after_days * MS_PER_DAY
                rates[back, place] = base[back, place]


def _draw_failures(rng: np.random.Generator, rates: Floats, turn: Ints) -> Ints:
    reached = np.cumsum(rates, axis=1) <= rng.random(len(rates))[:, None]
    failure: Ints = reached.sum(axis=1)
    failure[failure == rates.shape[1]] = OK
    again = rng.random(len(turn)) < SAME_FAILURE_AGAIN
    for later in range(1, len(TURN_SHARES)):
        places = np.flatnonzero((turn == later) & again)
        places = places[failure[places - 1] != OK]
        failure[places] = failure[places - 1]
    return failure


def _repetition() -> float:
    """How much more failures there are for the same one comes again in a session."""
    level, total, n_turns = 1.0, 0.0, 0.0
    for turn in range(len(TURN_SHARES)):
        share = sum(TURN_SHARES[turn:])
        total, n_turns = total + share * level, n_turns + share
        level = 1 + SAME_FAILURE_AGAIN * level
    return total / n_turns


def _draw_subjects(rng: np.random.Generator, failure: Ints, failures: Sequence[PlantedFailure]) -> Ints:
    subject = rng.integers(0, len(SUBJECTS), len(failure))
    for place, planted in enumerate(failures):
        failed = np.flatnonzero(failure == place)
        subject[failed] = np.array(planted.subjects)[subject[failed] % len(planted.subjects)]
    return subject
