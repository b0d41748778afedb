"""The people of the demo: they read open tickets, ship fixes, and sometimes ship nothing that helps.

Belongs here: which planted failure a ticket is about (looked up in the truth) and which fix ships when (from the plan).
Does not belong here: how the loop finds or judges anything; the loop only sees the deployments that come out of this.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from feedback_loop.testing.simulator_plan import (
    FAILURES,
    FIRST_VERSION,
    Effect,
    PlantedFailure,
    SimulatedDeployment,
    SimulatorSettings,
    bundle,
    deployment_records,
    format_time,
    next_ship_time,
)

OPEN, REOPENED = "open", "reopened"
MAJORITY = 0.5

_BY_ID = {failure.failure_id: failure for failure in FAILURES}


@dataclass(frozen=True)
class Decision:
    """One deployment that people make.

    Attributes:
        deployment: for the simulator.
        tickets: keys of the tickets it is meant to fix, sorted.
        records: the same for `feedback-loop import`: the canary where there is one, then the full rollout.
    """

    deployment: SimulatedDeployment
    tickets: tuple[str, ...]
    records: tuple[dict[str, Any], ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The same for the command line, without a canary; `-` stands for a change without a prompt version."""
        version = self.deployment.prompt_version or "-"
        fixes = [word for ticket in self.tickets for word in ("--fixes", ticket)]
        return ("deployed", version, *fixes, "--at", format_time(self.deployment.deployed_at))


class Driver:
    """Plays the people week by week.

    Args:
        settings: of the simulation.
        failed_interactions: interaction_id -> planted failure id; may grow between calls.
    """

    def __init__(self, settings: SimulatorSettings, failed_interactions: Mapping[str, str]) -> None:
        self._settings = settings
        self._failed = failed_interactions
        self._about: dict[str, str | None] = {}
        self._wanted: dict[tuple[str, int], datetime] = {}
        self._decisions: list[Decision] = []

    @property
    def deployments(self) -> tuple[SimulatedDeployment, ...]:
        """Everything decided so far, for `Simulator.week`."""
        return tuple(decision.deployment for decision in self._decisions)

    def decide(
        self, tickets: Sequence[tuple[str, str]], members: Mapping[str, Sequence[str]], as_of: datetime
    ) -> list[Decision]:
        """What ships in the seven days from `as_of` on.

        A first attempt follows any open ticket, a further one only a ticket that is "reopened". What ships later is
        decided again next week, with the tickets of then.

        Args:
            tickets: (ticket key, status); only those that are open or reopened are worked on.
            members: ticket key -> interaction ids of its pattern.
            as_of: a Monday 00:00 UTC.

        Returns:
            Decisions in time order; each attempt at a failure is shipped once.
        """
        keys_of: dict[str, list[str]] = {}
        reopened = set()
        for key, status in tickets:
            failure_id = self._about[key] = self._recognise(members.get(key, ()))
            if failure_id is not None and status in (OPEN, REOPENED):
                keys_of.setdefault(failure_id, []).append(key)
                if status == REOPENED:
                    reopened.add(failure_id)
        shipments = []
        for failure_id in sorted(keys_of):
            at = self._ship_time(_BY_ID[failure_id], failure_id in reopened, as_of)
            if at is not None and at < as_of + timedelta(weeks=1):
                shipments.append((at, _BY_ID[failure_id]))
        n_releases = sum(d.prompt_version is not None for d in self.deployments)
        decisions = [
            self._decision(d, keys_of) for d in bundle(shipments, next_version=int(FIRST_VERSION) + 1 + n_releases)
        ]
        self._decisions += decisions
        return decisions

    def planted_failure(self, ticket_key: str) -> PlantedFailure | None:
        """What the ticket is really about, as last seen; None for noise, a mixture, or an unknown ticket."""
        failure_id = self._about.get(ticket_key)
        return _BY_ID[failure_id] if failure_id is not None else None

    def planted_effect(self, ticket_key: str) -> str:
        """What the last shipped fix for the ticket really does, in words to print beside the verdict."""
        failure = self.planted_failure(ticket_key)
        if failure is None:
            return "no planted failure"
        n_attempts = self._n_attempts(failure.failure_id, ticket_key)
        return _in_words(failure.attempts[n_attempts - 1]) if n_attempts else "not fixed"

    def _recognise(self, interaction_ids: Sequence[str]) -> str | None:
        """The planted failure of at least half of those members that failed in a planted way."""
        known = Counter(self._failed[i] for i in interaction_ids if i in self._failed)
        if not known:
            return None
        failure_id, n = min(known.items(), key=lambda item: (-item[1], item[0]))
        return failure_id if n >= MAJORITY * known.total() else None

    def _ship_time(self, failure: PlantedFailure, is_reopened: bool, as_of: datetime) -> datetime | None:
        attempt = self._n_attempts(failure.failure_id)
        if attempt > 0 and not is_reopened:
            return None
        key = (failure.failure_id, attempt)
        at = next_ship_time(failure, attempt, self._wanted.setdefault(key, as_of), self._settings)
        if at is not None and at < as_of:  # nobody asked in the week in which it would have shipped: start again
            self._wanted[key] = as_of
            at = next_ship_time(failure, attempt, as_of, self._settings)
        return at

    def _n_attempts(self, failure_id: str, until_ticket: str | None = None) -> int:
        """Attempts shipped so far, or until the last one that names a ticket."""
        shipped = [d for d in self._decisions if failure_id in d.deployment.planted_failures]
        if until_ticket is not None:
            while shipped and until_ticket not in shipped[-1].tickets:
                shipped.pop()
        return len(shipped)

    def _decision(self, deployment: SimulatedDeployment, keys_of: Mapping[str, Sequence[str]]) -> Decision:
        failures = [_BY_ID[failure_id] for failure_id in deployment.planted_failures]
        keys = tuple(sorted(key for failure in failures for key in keys_of[failure.failure_id]))
        change = "prompt release" if deployment.prompt_version else f"{failures[0].cause} change"
        rationale = f"{change} for {', '.join(keys)}"
        return Decision(deployment, keys, tuple(deployment_records(deployment, self._settings, keys, rationale)))


def _in_words(effect: Effect) -> str:
    if effect.cut == 0:
        return "does nothing"
    words = f"cuts {effect.cut:.0%}"
    return words if effect.returns_after_days is None else f"{words}, returns after {effect.returns_after_days} days"
