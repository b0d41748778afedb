"""Worlds in which it is known what a fix did: an application's affected sessions before and after a deployment.

A world has groups of similar patterns; in each group the one with the worst last week gets a ticket, and one new prompt
version, deployed one to seven days later, carries a fix for every ticket. Users are heavy-tailed and come and go,
sessions of one user come in bursts, rates drift, some shocks hit all patterns, feedback is late, traffic changes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STRATA = (5, 15, 50, 150, 500, 2000)  # occurrences per 14 days; two per affected session
_OCCURRENCES = 2.0
_TRAFFIC = 2000.0  # sessions on a working day
_START = np.datetime64("2026-01-05", "s")
_DAY = 86_400


@dataclass(frozen=True)
class World:
    """What a world is like; the defaults are the base world of the report.

    Attributes:
        strata: occurrences per 14 days of each group.
        group: similar patterns of a group, of which the worst gets the ticket; 1: no selection.
        weeks: of history before the ticket.
        days: after the deployment.
        drift, drift_spread: sd of a pattern's log rate, and the log sd of that between patterns.
        memory: range of the weekly correlation of drift.
        shock: weekly sd of the shock that all patterns share; `common_break` the sd of a lasting one at the deployment.
        traffic: factor on traffic from the deployment on; 0: one of .7, 1, 1.3 by chance.
        late: share of events known late, by three days on average.
        spill: share of affected sessions that the same user repeats next day.
        frailty: shape of the gamma of a user's failures; small is heavy-tailed. 0: every session is another user.
        hold_back: share that stays on the old version; `by_user`: users are assigned, not sessions.
        ramp: canary of 10 and 50 % over five days.
        spike: factor of a spike of one week that makes the ticket and dies by itself; 1: none.
        spike_ratio: the ticket is the pattern with the highest last week over its mean, not the highest last week.
        young: weeks since the ticketed patterns were first seen; 0: always there.
        weekend: factors on traffic and on failure rate.
        kinds: cut of each group, or one for all.
    """

    strata: tuple[int, ...] = STRATA
    group: int = 5
    weeks: int = 8
    days: int = 14
    drift: float = 0.25
    drift_spread: float = 0.35
    memory: tuple[float, float] = (0.4, 0.9)
    shock: float = 0.10
    common_break: float = 0.0
    traffic: float = 0.0
    late: float = 0.6
    spill: float = 0.25
    frailty: float = 0.5
    hold_back: float = 0.0
    by_user: bool = True
    ramp: bool = True
    spike: float = 1.0
    spike_ratio: bool = False
    young: int = 0
    weekend: tuple[float, float] = (0.45, 1.25)


@dataclass(frozen=True)
class Truth:
    """What only the simulator knows of a drawn world.

    Attributes:
        rate: affected sessions per exposure of each pattern, its long-run mean.
        wander: factor of drift, spikes and shocks by pattern and day, shape (patterns, days).
        common: part of it that all patterns share, shape (days,).
        drift, memory: of each pattern's drift.
        tickets: pattern code of each group's ticket.
        deployed: day of the deployment; `day0` the first with half of the traffic.
    """

    rate: Floats
    wander: Floats
    common: Floats
    drift: Floats
    memory: Floats
    tickets: NDArray[np.int64]
    deployed: int
    day0: int


@dataclass(frozen=True)
class Drawn:
    """A world drawn once, before any effect: `affected` has `is_new` and `chance`, by which fixes remove sessions."""

    world: World
    truth: Truth
    affected: pd.DataFrame
    exposures: pd.DataFrame
    fixes: pd.DataFrame
    as_of: pd.Timestamp

    def after(self, cuts: float | Floats) -> pd.DataFrame:
        """Affected sessions when the new version removes a share of each ticketed pattern's (or, below 0, adds)."""
        per_pattern = np.zeros(len(self.truth.rate))
        per_pattern[self.truth.tickets] = cuts
        cut = per_pattern[self.affected["code"].to_numpy()]
        is_new, chance = self.affected["is_new"].to_numpy(), self.affected["chance"].to_numpy()
        kept: pd.DataFrame = self.affected[~(is_new & (chance < cut))]
        again = is_new & (chance < -cut)
        if not again.any():
            return kept
        more = self.affected[again]
        both: pd.DataFrame = pd.concat([kept, more.assign(session_id="again-" + more["session_id"])], ignore_index=True)
        return both


def draw(world: World, rng: np.random.Generator) -> Drawn:
    """One world, by chance."""
    ticketed = 7 * world.weeks
    deployed = ticketed + int(rng.integers(1, 8))
    shares = _shares(world, deployed, rng)
    n_days = shares["end"]
    rate, wander, common, drift, memory = _rates(world, n_days, ticketed, deployed, rng)
    traffic = _traffic(world, n_days, deployed, rng)
    expected = rate[:, None] * wander * traffic * np.where(_is_weekend(n_days), world.weekend[1], 1.0)
    n = rng.poisson(expected * (1 - world.spill))
    pattern, day, user = _sessions(world, n, rng)
    unit = _user_chance(user) if world.by_user else rng.random(len(user))
    is_new = unit < shares["new"][day]
    late = (rng.random(len(day)) < world.late) * rng.geometric(1 / 3, len(day))
    tickets = _choose(world, pattern, day, day + late, ticketed)
    truth = Truth(rate, wander, common, drift, memory, tickets, deployed, shares["day0"])
    affected = _affected(pattern, day, user, is_new, late, rng)
    served = np.stack([rng.poisson(traffic * (1 - shares["new"])), rng.poisson(traffic * shares["new"])])
    fixes = pd.DataFrame(
        [(f"fix{g}", f"p{p}", "bot@v2", _at(d), share) for g, p in enumerate(tickets) for d, share in shares["steps"]],
        columns=["fix_id", "pattern_id", "prompt_version", "deployed_at", "rollout_share"],
    )
    return Drawn(world, truth, affected, _exposures(served), fixes, _at(n_days))


def _shares(world: World, deployed: int, rng: np.random.Generator) -> dict[str, Any]:
    """Share of the new version by day, its steps, day 0 and the end of the look."""
    full = 1 - world.hold_back
    steps = [(deployed, full)]
    if world.ramp:
        lengths = rng.multinomial(5, (0.5, 0.5))
        steps = [(deployed, 0.1), (deployed + lengths[0], 0.5 * full), (deployed + 5, full)]
        steps = [step for step, after in zip(steps, [*steps[1:], (10**9, 0)], strict=True) if step[0] < after[0]]
    day0 = next((d for d, share in steps if share >= 0.5), steps[-1][0])
    end = day0 + world.days
    new = np.zeros(end)
    for day, share in steps:
        new[day:] = share
    return {"new": new, "steps": steps, "day0": day0, "end": end}


def _is_weekend(n_days: int) -> NDArray[np.bool_]:
    return np.arange(n_days) % 7 >= 5


def _traffic(world: World, n_days: int, deployed: int, rng: np.random.Generator) -> Floats:
    factor = world.traffic or float(rng.choice([0.7, 1.0, 1.3]))
    level = np.where(np.arange(n_days) >= deployed, factor, 1.0) * np.exp(0.05 * rng.standard_normal(n_days))
    return _TRAFFIC * level * np.where(_is_weekend(n_days), world.weekend[0], 1.0)


def _rates(
    world: World, n_days: int, ticketed: int, deployed: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    per_day = _TRAFFIC * (5 + 2 * world.weekend[0] * world.weekend[1]) / 7
    wanted = np.repeat(world.strata, world.group) / _OCCURRENCES / 14
    rate = wanted / per_day * np.exp(0.15 * rng.standard_normal(len(wanted)))
    drift = world.drift * np.exp(world.drift_spread * rng.standard_normal(len(rate)))
    memory = rng.uniform(*world.memory, len(rate))
    log = _wander(drift, memory ** (1 / 7), n_days, rng)
    weekly = np.repeat(world.shock * rng.standard_normal(n_days // 7 + 1), 7)[:n_days]
    days = np.arange(n_days)
    common = np.exp(weekly + world.common_break * rng.standard_normal() * (days >= deployed))
    wander = np.exp(log - drift[:, None] ** 2 / 2) * common
    if world.spike != 1:
        hit = rng.random(len(rate)) < 0.5
        begins = ticketed - rng.integers(4, 11, len(rate))
        in_spike = (days >= begins[:, None]) & (days < begins[:, None] + 10) & hit[:, None]
        wander = np.where(in_spike, wander * world.spike, wander)
    if world.young:
        born = ticketed - 7 * rng.integers(2, world.young + 1, len(rate))
        is_young = np.arange(len(rate)) % world.group < (world.group + 1) // 2
        wander = np.where(is_young[:, None] & (days < born[:, None]), 0.0, wander)
    return rate, wander, common, drift, memory


def _wander(sd: Floats, memory: Floats, n_days: int, rng: np.random.Generator) -> Floats:
    """Stationary AR(1) by day, shape (patterns, days)."""
    steps = rng.standard_normal((len(sd), n_days)) * (sd * np.sqrt(1 - memory**2))[:, None]
    steps[:, 0] = sd * rng.standard_normal(len(sd))
    for day in range(1, n_days):
        steps[:, day] += memory * steps[:, day - 1]
    return steps


def _sessions(
    world: World, n: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pattern, day and user of each affected session; a quarter is repeated by its user next day."""
    n_days = n.shape[1]
    pattern, day = (a.ravel().repeat(n.ravel()) for a in np.indices(n.shape))
    user = rng.integers(0, 2**40, len(day)) if world.frailty == 0 else _users(world, pattern, day, rng)
    parts, last = [(pattern, day, user)], (pattern, day, user)
    while len(last[0]):
        again = (rng.random(len(last[0])) < world.spill) & (last[1] + 1 < n_days)
        last = last[0][again], last[1][again] + 1, last[2][again]
        parts.append(last)
    pattern, day, user = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return pattern, day, user


def _users(
    world: World, pattern: NDArray[np.int64], day: NDArray[np.int64], rng: np.random.Generator, n_users: int = 3000
) -> NDArray[np.int64]:
    """Users by activity (log-normal) times frailty (gamma); every fortnight 40 % of them are other people."""
    n_patterns, spans = int(pattern.max(initial=0)) + 1, day // 14
    people, activity = np.arange(n_users), np.exp(rng.standard_normal(n_users))
    frailty = rng.standard_gamma(world.frailty, (n_patterns, n_users))
    user, draws = np.empty(len(day), dtype=np.int64), rng.random(len(day))
    order = np.lexsort((spans, pattern))
    edges = np.searchsorted(pattern[order] * 1000 + spans[order], np.arange(n_patterns * 1000 + 1))
    for span in range(int(spans.max(initial=0)) + 1):
        if span:
            left = rng.random(n_users) < 0.4
            people = np.where(left, people + n_users * (span + 1) * 7, people)
            activity[left] = np.exp(rng.standard_normal(left.sum()))
            frailty[:, left] = rng.standard_gamma(world.frailty, (n_patterns, left.sum()))
        chance = np.cumsum(frailty * activity, axis=1)
        for p in range(n_patterns):
            rows = order[edges[p * 1000 + span] : edges[p * 1000 + span + 1]]
            if len(rows):
                place = np.searchsorted(chance[p], draws[rows] * chance[p, -1], side="right")
                user[rows] = people[np.minimum(place, n_users - 1)]
    return user


def _user_chance(user: NDArray[np.int64]) -> Floats:
    """A fixed number in [0, 1) per user: who is in the canary stays in it."""
    mixed = (user.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(31)
    return (mixed * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(11)).astype(float) / 2**53


def _choose(
    world: World, pattern: NDArray[np.int64], day: NDArray[np.int64], known: NDArray[np.int64], ticketed: int
) -> NDArray[np.int64]:
    """The worst of each group by its last week, or by its last week over its mean, as known at the ticket."""
    n = len(world.strata) * world.group
    seen = known < ticketed
    last = np.bincount(pattern[seen & (day >= ticketed - 7)], minlength=n) + 0.0
    mean = np.bincount(pattern[seen], minlength=n) + 1.0
    badness = (last / mean if world.spike_ratio else last).reshape(-1, world.group)
    worst: NDArray[np.int64] = badness.argmax(1) + world.group * np.arange(len(world.strata))
    return worst


def _affected(
    pattern: NDArray[np.int64],
    day: NDArray[np.int64],
    user: NDArray[np.int64],
    is_new: NDArray[np.bool_],
    late: NDArray[np.int64],
    rng: np.random.Generator,
) -> pd.DataFrame:
    n = len(day)
    at = _START + (day * _DAY + rng.integers(0, _DAY, n)).astype("timedelta64[s]")
    names = [f"p{p}" for p in range(int(pattern.max(initial=0)) + 1)]
    return pd.DataFrame(
        {
            "pattern_id": pd.Categorical.from_codes(pattern, categories=pd.Index(names)),
            "user_id": user,
            "session_id": np.arange(n).astype(str),
            "occurred_at": pd.Series(at).dt.tz_localize("UTC"),
            "known_at": pd.Series(at + (late * _DAY).astype("timedelta64[s]")).dt.tz_localize("UTC"),
            "prompt_version": pd.Categorical.from_codes(is_new.astype(int), categories=pd.Index(["bot@v1", "bot@v2"])),
            "n_occurrences": 1 + rng.negative_binomial(1, 0.5, n),
            "weight": 1.0,
            "code": pattern,
            "is_new": is_new,
            "chance": rng.random(n),
        }
    )


def _exposures(served: NDArray[np.int64]) -> pd.DataFrame:
    arm, day = np.indices(served.shape)
    frame = pd.DataFrame(
        {
            "date": pd.Series(_START + (day.ravel() * _DAY).astype("timedelta64[s]")).dt.tz_localize("UTC"),
            "prompt_version": np.array(["bot@v1", "bot@v2"])[arm.ravel()],
            "n_exposures": served.ravel().astype(float),
        }
    )
    return frame[frame["n_exposures"] > 0].reset_index(drop=True)


def _at(day: int) -> pd.Timestamp:
    return pd.Timestamp(_START + np.timedelta64(int(day) * _DAY, "s"), tz="UTC")
