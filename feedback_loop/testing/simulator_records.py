"""From the arrays of one week to interaction records in the import format.

Belongs here: ids, fields and their plausible values. Does not belong here: what happens (`simulator_traffic.py`) and
the words (`simulator_texts.py`).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from feedback_loop.testing import simulator_texts as texts
from feedback_loop.testing.simulator_feedback import Week
from feedback_loop.testing.simulator_plan import COHORTS, FAILURES, SimulatorSettings
from feedback_loop.testing.simulator_traffic import OK, Ints, Traffic, Users

Record = dict[str, Any]

MODEL = "assistant-small-2"
CHANNELS = ("web", "app", "email")
ANONYMOUS_EVERY = 37
NO_DOCUMENTS_PERCENT = 70
TIMEOUT_PERCENT = 70
TOOL_ERROR_PERCENT = 30
USD_PER_INPUT_TOKEN, USD_PER_OUTPUT_TOKEN = 1e-6, 5e-6

_GUIDES = [{"id": f"help-{n}", "title": f"Help centre: {s}"} for n, s in enumerate(texts.SUBJECTS)]
_FAQS = [{"id": f"faq-{n}", "title": f"Questions about the {s}"} for n, s in enumerate(texts.SUBJECTS)]
_OLD_PRICES = {"id": "prices-2024", "title": "Price list 2024"}
_FOREIGN_POLICIES = [{"id": "policy-uk", "title": "Policy, United Kingdom"}, {"id": "policy-us", "title": "Policy, US"}]


class WeekWriter:
    """Interaction records of one week, and the view of it that feedback is drawn from.

    Args:
        rng: source of the choices of words and of the measured values.
        settings: ids and names.
        index: the week.
        traffic: its interactions.
        users: the population.
    """

    def __init__(
        self, rng: np.random.Generator, settings: SimulatorSettings, index: int, traffic: Traffic, users: Users
    ) -> None:
        self._settings = settings
        self._traffic = traffic
        self._prefix = f"{settings.seed}-{index:02d}-"
        self._cohort = users.cohort[traffic.user]
        self._draw = rng.integers(0, 2**31, len(traffic)).tolist()
        self._latency = np.round(rng.lognormal(7.2, 0.5, len(traffic)), 1).tolist()
        self._input_tokens = rng.integers(350, 1400, len(traffic)).tolist()
        self._slots = list(zip(traffic.subject.tolist(), traffic.product.tolist(), self._draw, strict=True))
        self.failure_ids = [FAILURES[f].failure_id if f != OK else None for f in traffic.failure.tolist()]
        self.interaction_ids = [f"i{self._prefix}{n}" for n in range(len(traffic))]
        self.user_ids = [user_id(settings, u) if u % ANONYMOUS_EVERY else None for u in traffic.user.tolist()]
        self.week = Week(
            traffic=traffic,
            users=users,
            failures=FAILURES,
            interaction_ids=self.interaction_ids,
            user_ids=self.user_ids,
            values=lambda i: texts.slots(self._slots[i]),
            output=lambda i, values: texts.answer(self.failure_ids[i], self._draw[i] // 7, values),
            feedback_prefix=f"f{self._prefix}",
        )

    def interactions(self) -> Iterator[Record]:
        """Every interaction, in time order."""
        traffic = self._traffic
        rows = zip(
            stamps(traffic.at_ms), traffic.session.tolist(), traffic.turn.tolist(),
            traffic.version.tolist(), self._cohort.tolist(), strict=True,
        )  # fmt: skip
        for i, (occurred_at, session, turn, version, cohort) in enumerate(rows):
            values = texts.slots(self._slots[i])
            output = self.week.output(i, values)
            output_tokens = len(output) // 4 + 1
            cost = self._input_tokens[i] * USD_PER_INPUT_TOKEN + output_tokens * USD_PER_OUTPUT_TOKEN
            record = {
                "type": "interaction",
                "interaction_id": self.interaction_ids[i],
                "occurred_at": occurred_at,
                "application": self._settings.application,
                "session_id": f"s{self._prefix}{session}",
                "turn": turn,
                "cohort": COHORTS[cohort].name,
                "prompt_name": self._settings.prompt_name,
                "prompt_version": str(version),
                "model": MODEL,
                "user_input": texts.question(self._draw[i] // 3, values),
                "output": output,
                "input_tokens": self._input_tokens[i],
                "output_tokens": output_tokens,
                "latency_ms": self._latency[i],
                "cost_usd": round(cost, 6),
                "sample_rate": COHORTS[cohort].sample_rate,
            }
            self._add_optional(record, i, values)
            yield record

    def _add_optional(self, record: Record, i: int, values: dict[str, Any]) -> None:
        draw, failure_id = self._draw[i], self.failure_ids[i]
        record["retrieved_documents"] = _documents(failure_id, self._slots[i][0], draw // 11, values)
        if (user := self.user_ids[i]) is not None:
            record["user_id"] = user
        if draw % 10 < 3:
            record["metadata"] = {"channel": CHANNELS[draw // 10 % len(CHANNELS)]}
        if failure_id == "times_out":
            record["latency_ms"] = 30_000.0
            if draw % 100 < TIMEOUT_PERCENT:
                record["error"] = "upstream timeout after 30 s"
        elif failure_id == "action_not_done" and draw % 100 < TOOL_ERROR_PERCENT:
            record["error"] = "tool call failed: HTTP 502"


def user_id(settings: SimulatorSettings, user: int) -> str:
    """The id of a user as the application knows it."""
    return f"u{settings.seed}-{user}"


def stamps(at_ms: Ints) -> list[str]:
    """RFC 3339 in UTC, to the millisecond."""
    return [f"{text}Z" for text in np.datetime_as_string(at_ms.astype("datetime64[ms]")).tolist()]


def _documents(failure_id: str | None, subject: int, draw: int, values: dict[str, Any]) -> list[dict[str, str]]:
    if failure_id == "article_not_found":
        other = (subject + 1 + draw % (len(_GUIDES) - 1)) % len(_GUIDES)
        return [] if draw % 100 < NO_DOCUMENTS_PERCENT else [_GUIDES[other]]
    if failure_id == "outdated_prices":
        return [_OLD_PRICES]
    if failure_id == "wrong_product":
        return [{"id": f"manual-{values['other'].lower().replace(' ', '-')}", "title": f"{values['other']} manual"}]
    if failure_id == "wrong_country":
        return [_FOREIGN_POLICIES[draw % 2]]
    return [_GUIDES[subject], _FAQS[subject]] if draw % 3 == 0 else [_GUIDES[subject]]
