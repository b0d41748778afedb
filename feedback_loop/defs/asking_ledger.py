"""The books of one run: money reserved and spent, calls written down, replies remembered, and whether to go on.

Belongs here: what single requests and batches have in common. Does not belong here: sending anything (`asking.py`,
`asking_batches.py`), SQL (`store/models.py`).
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from feedback_loop.errors import AskingStopped, FeedbackLoopError, ModelUnavailable, ReplyLost
from feedback_loop.llm.budget import Budget
from feedback_loop.llm.policy import AnalystPolicy
from feedback_loop.llm.replies import count_invented, read_reply
from feedback_loop.llm.requests import FINAL_REASONS, Answer, Item, Problem, Reply
from feedback_loop.prices import Price, cost_usd, price_of
from feedback_loop.store import models
from feedback_loop.store.models import Call, CallEnd

Begin = Callable[[], AbstractContextManager[Connection]]
_MAX_FAILED = 3  # requests in a row without a reply
_log = logging.getLogger(__name__)


@dataclass
class Asked:
    """What happened in a run so far, for people.

    Attributes:
        n_calls: requests to a model, those in batches included.
        n_remembered: items answered by the cache.
        n_answered: items answered by a model.
        spent_usd: in this run, also what was spent on calls without a useful reply.
        problems: reason -> items that were asked about in vain; a smaller request may have answered them later.
        stopped: why no more is asked in this run.
    """

    n_calls: int = 0
    n_remembered: int = 0
    n_answered: int = 0
    spent_usd: float = 0.0
    problems: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None


class Ledger:
    """The books of an application's week.

    Args:
        begin: one transaction per step; what was paid for is committed before anything else is asked.
        policy: models, prices, budget.
        application, week: whose money it is.
        now: the clock.

    Raises:
        ConfigurationError: a model of the policy has no known price.
    """

    def __init__(
        self, begin: Begin, policy: AnalystPolicy, application: str, week: date, now: Callable[[], datetime]
    ) -> None:
        self.begin, self.application, self.week, self.now = begin, application, week, now
        self._prices = policy.prices
        for model in (policy.describe_model, policy.judge_model, policy.card_model):
            self.price(model)
        with begin() as conn:
            spending = models.read_spending(conn, application, week)
        self.budget = Budget(policy.budget_usd, spending.spent_usd, spending.reserved_usd)
        self.asked = Asked()
        self._n_failed = 0

    def price(self, model: str) -> Price:
        """The price of a model today."""
        return price_of(model, self.now().date(), self._prices)

    def no_money(self, needed_usd: float) -> Problem:
        """Why a request is not sent that may cost this much."""
        left, limit = self.budget.left_usd, self.budget.limit_usd
        detail = f"the next request may cost ${needed_usd:.4f}; ${left:.4f} of analyst.budget_usd = ${limit:g} are left"
        return Problem("budget", detail)

    def settle(self, reserved_usd: float, spent_usd: float) -> None:
        """Book what was really spent."""
        self.budget.settle(reserved_usd, spent_usd)
        self.asked.spent_usd += spent_usd

    def take(self, conn: Connection, call: Call, items: Sequence[Item], reply: Reply) -> tuple[Answer, CallEnd]:
        """Read a reply and remember every answer in it; whatever it says, its price is known.

        A reply about one item alone that is no use is remembered as well: asking again would pay for the same again.
        """
        answer = read_reply(call.purpose, items, reply)
        entries: dict[str, Mapping[str, Any]] = dict(answer.found)
        if len(items) == 1:
            final = {key: p for key, p in answer.problems.items() if p.reason in FINAL_REASONS}
            entries |= {key: _entry_of(p) for key, p in final.items()}
        models.save_replies(conn, self.application, call.purpose, call.model, entries, self.now())
        reasons = [p.reason for p in answer.problems.values()]
        outcome = "answered" if answer.found or not reasons else reasons[0]
        dollars = cost_usd(self.price(call.model), reply.usage)
        return answer, CallEnd(outcome, dollars, reply, _summary(items, answer, reply))

    def lose(self, conn: Connection, call: Call, items: Sequence[Item], problem: Problem) -> Answer:
        """Remember that a reply never arrived, though it may be paid: the same is not paid for again."""
        entries = {item.key: _entry_of(problem) for item in items}
        models.save_replies(conn, self.application, call.purpose, call.model, entries, self.now())
        return Answer.none(tuple(items), problem)

    def went_well(self) -> None:
        """A request was answered."""
        self._n_failed = 0

    def problem_of(self, error: FeedbackLoopError) -> Problem:
        """What an error means for the items of its request; some end the asking of this run."""
        if isinstance(error, AskingStopped):
            self._stop(str(error))
            return Problem("stopped", str(error))
        if isinstance(error, (ModelUnavailable, ReplyLost)):
            self._n_failed += 1
            if self._n_failed >= _MAX_FAILED:
                self._stop(f"{self._n_failed} requests in a row failed; the last: {error}")
        return Problem("lost" if isinstance(error, ReplyLost) else "failed", str(error))

    def _stop(self, why: str) -> None:
        self.asked.stopped = why
        _log.warning("no more requests to models in this run: %s", why)

    def count(self, answers: Sequence[Answer]) -> None:
        """Add answers to the numbers for people."""
        for answer in answers:
            self.asked.n_answered += len(answer.found)
            self.asked.problems.update(problem.reason for problem in answer.problems.values())


def _entry_of(problem: Problem) -> dict[str, str]:
    return {"problem": problem.reason, "detail": problem.detail}


def _summary(items: Sequence[Item], answer: Answer, reply: Reply) -> str | None:
    """What was wrong with a reply; None where nothing was."""
    reasons = Counter(problem.reason for problem in answer.problems.values())
    parts = [f"{n} of {len(items)} {reason}" for reason, n in sorted(reasons.items())]
    invented = count_invented(items, reply)
    parts += [f"{invented} invented refs"] if invented else []
    parts += [p.detail for p in answer.problems.values() if p.detail][:1]
    return "; ".join(parts) or None
