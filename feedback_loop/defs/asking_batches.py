"""Asking many requests at once, at half the price, in a batch that survives the run.

Belongs here: the life of a batch from plan to results, resumed where an earlier run was killed. Does not belong here:
single requests (`asking.py`), the books (`asking_ledger.py`).

    planned     the row is written, with all that is needed to read the results        -> create
    submitted   the id is stored                                                       -> poll, collect
    ended       every result is in the ledger and the cache, in one transaction
    failed      it does not exist, or its results are gone

The API has no idempotency key, and its list of batches does not show what is in them. Where the outcome of `create` is
unknown, the newest batches are looked through for one of the right size and time; it is adopted, and the names in its
results confirm that it is ours. Only where there is none a batch is created again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from feedback_loop.clients.anthropic import ClaudeClient
from feedback_loop.defs.asking_ledger import Ledger
from feedback_loop.errors import (
    AskingStopped,
    FeedbackLoopError,
    ModelUnavailable,
    NotFoundError,
    ReplyLost,
    RequestRefused,
)
from feedback_loop.llm.prices import most_usd
from feedback_loop.llm.requests import Answer, BatchResult, Problem, Request, hash_json
from feedback_loop.store import models
from feedback_loop.store.models import Batch, BatchedRequest, Call, CallEnd

_MOST_REQUESTS = 2000  # of 60 kB at most: below the 256 MB that a batch may have
_BEFORE, _AFTER = timedelta(minutes=5), timedelta(minutes=15)  # clocks differ, and a create may be slow
_GONE_AFTER = timedelta(days=2)  # a batch that is not found until then was perhaps asked for with another key
_LOOK_AGAIN_S = (0.0, 5.0, 30.0)  # a batch may be listed a little after it was made
_CREATES = 2
_MAX_SHORT = 2  # a file with fewer results than requests may be cut; it is read again before that is believed
_FIRST_POLL_S, _LONGEST_POLL_S = 5.0, 60.0


class BatchDesk:
    """Plans, submits, adopts and collects the batches of one run.

    Args:
        ledger: the books.
        client: of the API.
        max_wait_s: how long a batch is waited for; one that takes longer is collected by a later run.
        sleep: between looks.

    Attributes:
        pending: items in batches that are not over, with the reason why they have no answer yet.
    """

    def __init__(self, ledger: Ledger, client: ClaudeClient, max_wait_s: float, sleep: Callable[[float], None]) -> None:
        self._ledger, self._client, self._max_wait_s, self._sleep = ledger, client, max_wait_s, sleep
        self.pending: dict[str, Problem] = {}

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer per request, in order. Requests that the budget does not reach for are in no batch."""
        answers: dict[str, Answer] = {}
        for start in range(0, len(requests), _MOST_REQUESTS):
            part = requests[start : start + _MOST_REQUESTS]
            if self._ledger.asked.stopped:
                stopped = Problem("stopped", self._ledger.asked.stopped)
                answers |= {request.request_hash: Answer.none(request.items, stopped) for request in part}
                continue
            reserved = self._reserve(part, answers)
            if reserved:
                batch = self._plan(part, reserved)
                answers |= self._see_through(batch, {custom_id(r): r for r in part if r.request_hash in reserved})
        return [answers[request.request_hash] for request in requests]

    def resume(self) -> None:
        """Collect what earlier runs left behind; what is not over yet is `pending`."""
        with self._ledger.begin() as conn:
            batches = models.open_batches(conn, self._ledger.application)
        for batch in batches:
            self._see_through(batch)

    def _reserve(self, requests: Sequence[Request], answers: dict[str, Answer]) -> dict[str, float]:
        """Dollars set aside by request_hash; requests that there is no money for get their answer."""
        reserved: dict[str, float] = {}
        for request in requests:
            usd = most_usd(self._ledger.price(request.model), request, is_batch=True)
            if self._ledger.budget.reserve(usd):
                reserved[request.request_hash] = usd
            else:
                answers[request.request_hash] = Answer.none(request.items, self._ledger.no_money(usd))
        return reserved

    def _plan(self, requests: Sequence[Request], reserved: Mapping[str, float]) -> Batch:
        """Write the batch down before anything is sent."""
        with self._ledger.begin() as conn:
            n_before = models.count_batches(conn, self._ledger.application)
        batch = Batch(
            application=self._ledger.application,
            batch_key=hash_json([list(reserved), n_before])[:40],
            purpose=requests[0].purpose,
            model=requests[0].model,
            week=self._ledger.week,
            reserved_usd=sum(reserved.values()),
            planned_at=self._ledger.now(),
            requests=tuple(
                BatchedRequest(custom_id(r), r.request_hash, r.prompt_version, reserved[r.request_hash], r.items)
                for r in requests
                if r.request_hash in reserved
            ),
        )
        self._ledger.asked.n_calls += len(batch.requests)
        with self._ledger.begin() as conn:
            models.plan_batch(conn, batch)
        return batch

    def _see_through(self, batch: Batch, to_send: Mapping[str, Request] | None = None) -> dict[str, Answer]:
        """Take a batch from wherever it is to its end, or as far as it goes now: answers by request_hash."""
        rejected: set[str] = set()
        try:
            while True:
                if batch.batch_id is None:
                    found = self._submit(batch, to_send) if to_send else self._find(batch, rejected)
                    to_send = None
                    if not isinstance(found, str):
                        return self._give_up(batch, found or Problem("failed", "the batch was never created"))
                    batch = self._name(batch, found)
                results = self._wait_for(str(batch.batch_id))
                ours = {request.custom_id for request in batch.requests}
                if any(result.custom_id in ours for result in results):
                    return self._collect(batch, results)
                rejected.add(str(batch.batch_id))  # adopted by mistake
                batch = self._name(batch, None)
        except NotFoundError as error:
            if self._ledger.now() - batch.planned_at > _GONE_AFTER:
                return self._write_off(batch, str(error))
            return self._leave(batch, error)
        except (RequestRefused, AskingStopped, ModelUnavailable, ReplyLost) as error:
            return self._leave(batch, error)

    def _submit(self, batch: Batch, requests: Mapping[str, Request]) -> str | Problem:
        """The id of the batch, created now; or why it does not exist."""
        for _ in range(_CREATES):
            try:
                return self._client.create_batch(requests).batch_id
            except (RequestRefused, AskingStopped, ModelUnavailable) as error:
                return self._ledger.problem_of(error)
            except ReplyLost as error:
                problem = Problem("failed", str(error))
                for pause in _LOOK_AGAIN_S:
                    self._sleep(pause)
                    found = self._find(batch, set())
                    if found is not None:
                        return found
        return problem

    def _find(self, batch: Batch, rejected: set[str]) -> str | None:
        """A batch of the API that may be this one: as many requests, made at that time, nobody else's."""
        with self._ledger.begin() as conn:
            known = models.known_batch_ids(conn) | rejected
        candidates = [
            state
            for state in self._client.list_batches()
            if state.n_requests == len(batch.requests)
            and -_BEFORE <= state.created_at - batch.planned_at <= _AFTER
            and state.batch_id not in known
        ]
        nearest = min(candidates, key=lambda state: abs(state.created_at - batch.planned_at), default=None)
        return nearest.batch_id if nearest else None

    def _name(self, batch: Batch, batch_id: str | None) -> Batch:
        with self._ledger.begin() as conn:
            models.name_batch(conn, batch, batch_id)
        return replace(batch, batch_id=batch_id)

    def _wait_for(self, batch_id: str) -> list[BatchResult]:
        """Its results, when it has ended.

        Raises:
            ModelUnavailable: it takes longer than we wait, or its results cannot be read now.
        """
        waited, pause, n_short = 0.0, _FIRST_POLL_S, 0
        while True:
            why = "it has not ended"
            try:
                state = self._client.fetch_batch(batch_id)
                if state.has_ended:
                    results = self._client.read_results(batch_id)
                    n_short += len(results) < state.n_requests
                    if results and (len(results) >= state.n_requests or n_short > _MAX_SHORT):
                        return results
                    why = f"it has {len(results)} of {state.n_requests} results"
            except ModelUnavailable as error:  # looking costs nothing and is done again
                why = str(error)
            if waited >= self._max_wait_s:
                raise ModelUnavailable(f"given up after {waited:.0f} s, a later run collects it: {why}")
            self._sleep(pause)
            waited, pause = waited + pause, min(pause * 1.5, _LONGEST_POLL_S)

    def _collect(self, batch: Batch, results: Sequence[BatchResult]) -> dict[str, Answer]:
        """Hold the results against what was sent, and book and remember them, all at once."""
        fates: dict[str, BatchResult] = {}
        for result in results:
            fates.setdefault(result.custom_id, result)  # a second one for the same request is not looked at
        answers: dict[str, Answer] = {}
        calls: list[tuple[Call, CallEnd]] = []
        with self._ledger.begin() as conn:
            for request in batch.requests:
                call = _call_of(batch, request)
                answers[request.request_hash], end = self._read(conn, call, request, fates.get(request.custom_id))
                calls.append((call, end))
            models.add_calls(conn, calls)
            models.close_batch(conn, batch, "ended", self._ledger.now())
        self._settle(batch, sum(end.cost_usd for _, end in calls))
        self._ledger.went_well()
        return answers

    def _read(
        self, conn: Connection, call: Call, request: BatchedRequest, result: BatchResult | None
    ) -> tuple[Answer, CallEnd]:
        if result is not None and result.reply is not None:
            return self._ledger.take(conn, call, request.items, result.reply)
        why = result.problem if result else f"batch {call.batch_id} has no result for it"
        if result is None or result.may_be_paid:
            answer = self._ledger.lose(conn, call, request.items, Problem("lost", why))
            return answer, CallEnd("lost", request.reserved_usd, error=why)
        return Answer.none(request.items, Problem("failed", why)), CallEnd("not_done", 0.0, error=why)

    def _give_up(self, batch: Batch, problem: Problem) -> dict[str, Answer]:
        """It does not exist: its money is free again."""
        with self._ledger.begin() as conn:
            models.close_batch(conn, batch, "failed", self._ledger.now())
        self._settle(batch, 0.0)
        return _same_for_all(batch, problem)

    def _write_off(self, batch: Batch, why: str) -> dict[str, Answer]:
        """Its results are gone: booked at the most they can have cost."""
        answers: dict[str, Answer] = {}
        calls: list[tuple[Call, CallEnd]] = []
        with self._ledger.begin() as conn:
            for request in batch.requests:
                call = _call_of(batch, request)
                answers[request.request_hash] = self._ledger.lose(conn, call, request.items, Problem("lost", why))
                calls.append((call, CallEnd("lost", request.reserved_usd, error=why)))
            models.add_calls(conn, calls)
            models.close_batch(conn, batch, "failed", self._ledger.now())
        self._settle(batch, batch.reserved_usd)
        return answers

    def _leave(self, batch: Batch, error: FeedbackLoopError) -> dict[str, Answer]:
        """It goes on without us: a later run collects it, its money stays reserved, nothing in it is asked again."""
        if isinstance(error, AskingStopped):
            self._ledger.problem_of(error)
        problem = Problem("pending", f"in batch {batch.batch_id or '(not found yet)'}: {error}")
        self.pending |= dict.fromkeys(batch.item_keys, problem)
        return _same_for_all(batch, problem)

    def _settle(self, batch: Batch, spent_usd: float) -> None:
        if batch.week == self._ledger.week:  # another week's batch is another week's money
            self._ledger.settle(batch.reserved_usd, spent_usd)


def custom_id(request: Request) -> str:
    """What a request is called in any batch: its own content names it, and no run."""
    return f"fl-{request.request_hash[:56]}"


def _call_of(batch: Batch, request: BatchedRequest) -> Call:
    return Call(
        call_id=hash_json([batch.application, batch.batch_key, request.custom_id])[:40],
        application=batch.application,
        week=batch.week,
        called_at=batch.planned_at,
        purpose=batch.purpose,
        model=batch.model,
        prompt_version=request.prompt_version,
        request_hash=request.request_hash,
        batch_id=batch.batch_id,
    )


def _same_for_all(batch: Batch, problem: Problem) -> dict[str, Answer]:
    return {request.request_hash: Answer.none(request.items, problem) for request in batch.requests}
