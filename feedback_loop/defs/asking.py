"""Asking a model: cache -> budget -> ledger -> client -> ledger -> cache.

Belongs here: the order of these steps, and the analyst a run is given. Does not belong here: the books
(`asking_ledger.py`), batches (`asking_batches.py`), HTTP (`clients/anthropic.py`), prompts and replies (`llm/`). Knows
no Dagster.

Nothing that happens to a request is an exception here: it is the reason why its items have no answer. What was paid is
remembered per item, so that it is never paid again; what may have been paid, but got lost, is booked at the most it can
have cost and remembered as lost. Only where every event must be described (a pinned describer) the next run asks again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime

from sqlalchemy import Connection

from feedback_loop.clients.anthropic import ClaudeClient
from feedback_loop.defs.asking_batches import BatchDesk
from feedback_loop.defs.asking_ledger import Asked, Begin, Ledger
from feedback_loop.environment import Environment
from feedback_loop.errors import AskingStopped, ConfigurationError, ModelUnavailable, ReplyLost, RequestRefused
from feedback_loop.llm.analyst import Analyst, ClaudeAnalyst, OfflineAnalyst
from feedback_loop.llm.policy import AnalystPolicy
from feedback_loop.llm.prices import most_usd
from feedback_loop.llm.replies import check_entry
from feedback_loop.llm.requests import Answer, Entry, Item, Problem, Purpose, Request, hash_json
from feedback_loop.store import models
from feedback_loop.store.models import Call, CallEnd

_OUTCOMES = {RequestRefused: "refused_by_api", AskingStopped: "stopped", ModelUnavailable: "unavailable"}


@contextmanager
def open_analyst(
    environment: Environment,
    policy: AnalystPolicy,
    begin: Begin,
    application: str,
    week: date,
    *,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> Iterator[tuple[Analyst, Asked]]:
    """The analyst of an application's week, and what it has been asked so far.

    Args:
        environment: the key and, rarely, another address.
        policy: who is asked, and for how much money.
        begin: opens a transaction; several are used, one after the other, and none is open while a model is waited for.
        application: whose events are read.
        week: whose money is spent.
        now: the clock.
        sleep: lets time pass between attempts and looks at a batch.

    Raises:
        ConfigurationError: `analyst: claude` without a key, or with a model whose price is unknown.
    """
    if policy.analyst == "offline":
        yield OfflineAnalyst(), Asked()
        return
    if not environment.anthropic_api_key:
        raise ConfigurationError("analyst: claude needs the environment variable ANTHROPIC_API_KEY")
    with ClaudeClient(
        environment.anthropic_api_key,
        environment.anthropic_base_url,
        now=now,
        sleep=sleep,
        timeout_s=policy.timeout_s,
        max_retry_after_s=policy.max_retry_after_s,
    ) as client:
        ledger = Ledger(begin, policy, application, week, now)
        asking = Asking(ledger, client, policy, sleep)
        yield ClaudeAnalyst(asking.ask, policy, asking.recall), ledger.asked


class Asking:
    """Puts the requests of one run to a model.

    Args:
        ledger: the books.
        client: of the API.
        policy: from how many requests on a batch is used, and how long it is waited for.
        sleep: between looks at a batch.
    """

    def __init__(
        self, ledger: Ledger, client: ClaudeClient, policy: AnalystPolicy, sleep: Callable[[float], None]
    ) -> None:
        self._ledger, self._client, self._policy = ledger, client, policy
        self._desk = BatchDesk(ledger, client, policy.max_batch_wait_s, sleep)
        self._has_resumed = False

    def recall(self, purpose: Purpose, items: Sequence[Item]) -> Answer:
        """What earlier runs learnt of these items. Batches that they left behind are collected first.

        What is in a batch that is still under way has the problem `pending`: it is paid for and not asked again.
        """
        if not self._has_resumed:
            self._has_resumed = True
            self._desk.resume()
        with self._ledger.begin() as conn:
            rows = models.recall_replies(conn, self._ledger.application, [item.key for item in items])
        found: dict[str, Entry] = {}
        problems = {item.key: self._desk.pending[item.key] for item in items if item.key in self._desk.pending}
        for item in items:
            row = rows.get(item.key)
            if row is not None and "problem" in row:
                if row["problem"] != "lost" or not self._policy.is_pinned:
                    problems[item.key] = Problem(row["problem"], row["detail"])
            elif row is not None and (entry := _checked(purpose, item, row)) is not None:
                found[item.key] = entry
                problems.pop(item.key, None)
        self._ledger.asked.n_remembered += len(found)
        return Answer(found, problems)

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer per request, in order; many requests go as a batch."""
        if len(requests) > self._policy.batch_above and not self._ledger.asked.stopped:
            answers = self._desk.ask(requests)
        else:
            answers = [self._ask_one(request) for request in requests]
        self._ledger.count(answers)
        return answers

    def _ask_one(self, request: Request) -> Answer:
        ledger = self._ledger
        if ledger.asked.stopped:
            return Answer.none(request.items, Problem("stopped", ledger.asked.stopped))
        reserved = most_usd(ledger.price(request.model), request)
        if not ledger.budget.reserve(reserved):
            return Answer.none(request.items, ledger.no_money(reserved))
        with ledger.begin() as conn:
            call = self._new_call(conn, request)
            models.begin_call(conn, call, reserved)
        try:
            reply = self._client.ask(request)
        except ReplyLost as error:
            end = CallEnd("lost", reserved, error=str(error))
            with ledger.begin() as conn:
                answer = ledger.lose(conn, call, request.items, ledger.problem_of(error))
                models.finish_call(conn, call, end)
        except (RequestRefused, AskingStopped, ModelUnavailable) as error:
            end = CallEnd(_OUTCOMES[type(error)], 0.0, error=str(error))
            answer = Answer.none(request.items, ledger.problem_of(error))
            with ledger.begin() as conn:
                models.finish_call(conn, call, end)
        else:
            ledger.went_well()
            with ledger.begin() as conn:
                answer, end = ledger.take(conn, call, request.items, reply)
                models.finish_call(conn, call, end)
        ledger.settle(reserved, end.cost_usd)
        return answer

    def _new_call(self, conn: Connection, request: Request) -> Call:
        ledger, week = self._ledger, self._ledger.week
        ledger.asked.n_calls += 1
        n_before = models.count_calls(conn, ledger.application, week, request.request_hash)
        name = hash_json([ledger.application, week.isoformat(), request.request_hash, n_before])
        return Call(
            call_id=name[:40],
            application=ledger.application,
            week=week,
            called_at=ledger.now(),
            purpose=request.purpose,
            model=request.model,
            prompt_version=request.prompt_version,
            request_hash=request.request_hash,
        )


def _checked(purpose: Purpose, item: Item, row: Mapping[str, object]) -> Entry | None:
    """A remembered answer, checked like a new one; one that no longer passes is asked for again."""
    try:
        return check_entry(purpose, row, item.n_inner)
    except ValueError:
        return None
