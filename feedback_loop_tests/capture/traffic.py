"""Made-up traffic through the real sampler, for the law of sampling and for the table in the documents.

Belongs here: sessions whose failures depend on everything sampling looks at: errors, new users, feedback that comes in
time or late, several answers a session. Does not belong here: what is asserted of it.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from feedback_loop.capture.sampling import Candidate, Sampler, SamplingPolicy

START = datetime(2026, 1, 5, tzinfo=UTC)
Record = dict[str, Any]
Event = tuple[float, Record]


def make_traffic(seed: int, n_sessions: int = 1_500) -> list[Event]:
    """Records by the second they come at, within a week: interactions and thumbs down.

    Version v2 fails twice as often as v1. Complaints come after minutes, or after an hour, when nothing waits any more.
    """
    chance = random.Random(seed)
    events: list[Event] = []
    for session in range(n_sessions):
        user, version = f"u{int(chance.paretovariate(0.8)) % 700}", chance.choice(("v1", "v1", "v2"))
        at = chance.uniform(0, 6.8 * 86_400)
        for turn in range(1 + int(chance.expovariate(0.7))):
            at += chance.uniform(20, 200)
            name = f"{session}-{turn}"
            one = {"interaction_id": name, "session_id": f"s{session}", "user_id": user, "prompt_version": version}
            if chance.random() < 0.02:
                one["error"] = "ValueError"
            events.append((at, {"type": "interaction", **one}))
            if chance.random() < (0.04 if version == "v1" else 0.08):
                later = at + (chance.uniform(5, 300) if chance.random() < 0.7 else chance.uniform(3_000, 9_000))
                events.append((later, {"type": "feedback", "interaction_id": name, "feedback_id": f"f{name}"}))
    return sorted(events, key=lambda event: event[0])


def finished(event: Event) -> Record:
    """The record with all that the import contract asks for."""
    at, record = event
    fields = {"occurred_at": (START + timedelta(seconds=at)).isoformat()}
    if record["type"] == "feedback":
        return {**record, **fields, "signal": "thumbs_down"}
    return {**record, **fields, "application": "shop", "user_input": "a", "output": "b"}


def sampled(events: list[Event], policy: SamplingPolicy, salt: bytes) -> Iterator[bytes]:
    """Lines that the sampler lets through, feedback among them."""
    sampler = Sampler(policy, salt)
    for event in events:
        record, now = finished(event), event[0]
        line = json.dumps(record, separators=(",", ":")).encode()
        yield from sampler.due(now)
        if record["type"] == "feedback":
            yield from sampler.hear(record["interaction_id"], record["signal"], now)
            yield line
        else:
            user, has_error = record["user_id"], "error" in record
            yield from sampler.take(
                Candidate(record["interaction_id"], record["session_id"], user, has_error, line), now
            )
    yield from sampler.settle()
