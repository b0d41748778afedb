"""Foreign records as lines of the import format, or with the reason why not.

Belongs here: traces put together, scores joined to their trace, and what a rejected foreign record is kept as. Does not
belong here: fields of a tool (its module) and storing (`running.py`).

Observations of a trace come in any order and file. They are held until all was read, but for the traces that were
longest without a new one when more than `max_open` are held: those are closed early, which bounds memory.
"""

import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from feedback_loop.intake.importers import langfuse, langsmith, otel, phoenix
from feedback_loop.intake.importers.policy import SourcePolicy
from feedback_loop.intake.importers.scores import Score, to_record
from feedback_loop.intake.importers.traces import Observation, find_root, merge_trace
from feedback_loop.intake.importers.values import NotTaken, pick
from feedback_loop.intake.reading import Line
from feedback_loop.intake.reasons import Rejection
from feedback_loop.redaction import hash_user

MAX_OPEN = 20_000  # traces
_IDS = ("context.span_id", "span_id", "spanId", "trace_id", "traceId", "interaction_id")
_USER_NAMES = """
user_id userId user.id enduser.id author_user_id authorUserId ls_user_id user_name email user username
"""
_USERS = frozenset(_USER_NAMES.split())
_TOO_DEEP = "lists or objects are nested too deeply"
_WITHOUT_TRACE = ("phoenix", "otel")  # their scores may name a step alone
_TOOLS: Mapping[str, Any] = {"langfuse": langfuse, "langsmith": langsmith, "phoenix": phoenix, "otel": otel}


@dataclass(frozen=True, slots=True)
class Refused:
    """A foreign record that cannot be mapped, and why."""

    line: Line
    reason: str


Mapped = Line | Refused


@dataclass
class Mapper:
    """Takes foreign records of one source, gives lines; traces and scores that wait come with `finish`.

    Attributes:
        policy: of the source.
        hash_key: of user ids in rejected records; 32 bytes.
        is_wanted: of a trace's root; traces that are not wanted are left for another import.
        max_open: traces held at most.
        is_placed_by_time: records have no number of their own (an API's): their time stands for it, in Unix
            milliseconds, so that the same record is rejected under the same number whenever it is read.
        n_left_out: records that the rules leave out, by rule.
    """

    policy: SourcePolicy
    hash_key: bytes
    is_wanted: Callable[[Observation], bool] = lambda _root: True
    max_open: int = MAX_OPEN
    is_placed_by_time: bool = False
    n_left_out: Counter[str] = field(default_factory=Counter)
    _traces: OrderedDict[str, list[Observation]] = field(default_factory=OrderedDict)
    _trace_of: dict[str, str] = field(default_factory=dict)
    _waiting: list[tuple[str, Score]] = field(default_factory=list)

    def add(self, source: str, number: int, raw: Any) -> Iterator[Mapped]:
        """What a foreign record gives at once."""
        if not isinstance(raw, Mapping):
            yield self._refuse(source, number, {"value": raw}, "not an object")
            return
        tool = _TOOLS[self.policy.tool]
        try:
            parts = list(tool.split(raw))
        except Rejection as rejection:
            yield self._refuse(source, number, raw, str(rejection))
            return
        for part in parts:
            try:
                found = tool.read(part, number)
            except NotTaken as why:
                self.n_left_out[str(why)] += 1
            except Rejection as rejection:
                yield self._refuse(source, number, part, str(rejection))
            except RecursionError:
                yield self._refuse(source, number, {"id": pick(part, "id", *_IDS)}, _TOO_DEEP)
            else:
                yield from (
                    self._observe(source, found) if isinstance(found, Observation) else self._score(source, found)
                )

    def finish(self) -> Iterator[Mapped]:
        """The traces still open, then the scores that waited for their trace."""
        while self._traces:
            yield from self._close()
        waiting, self._waiting = self._waiting, []
        for source, score in waiting:
            yield from self._say(source, replace(score, trace_id=self._trace_of.get(score.observation_id or "")))

    def _observe(self, source: str, one: Observation) -> Iterator[Mapped]:
        if self.policy.tool in _WITHOUT_TRACE:
            self._trace_of |= dict.fromkeys((one.observation_id, *one.aliases), one.trace_id)
        self._traces.setdefault(one.trace_id, []).append(one)
        self._traces.move_to_end(one.trace_id)
        self._source = source
        if len(self._traces) > self.max_open:
            yield from self._close()

    def _close(self) -> Iterator[Mapped]:
        """Give the trace that was longest without a new observation."""
        trace_id, observations = self._traces.popitem(last=False)
        root = find_root(observations)
        if not self.is_wanted(root):
            return
        try:
            record = merge_trace(observations, self.policy)
        except NotTaken as why:
            self.n_left_out[str(why)] += 1
        except (Rejection, RecursionError) as error:
            reason = _TOO_DEEP if isinstance(error, RecursionError) else str(error)
            yield self._refuse(self._source, self._place(root), {"type": "interaction", "id": trace_id}, reason)
        else:
            yield make_line(self._source, self._place(root), record)

    def _score(self, source: str, score: Score) -> Iterator[Mapped]:
        if score.trace_id is None:
            self._waiting.append((source, score))
        else:
            yield from self._say(source, score)

    def _say(self, source: str, score: Score) -> Iterator[Mapped]:
        raw = {"type": "score", "id": score.score_id, "name": score.name, "observation_id": score.observation_id}
        try:
            record = to_record(score, self.policy)
        except NotTaken as why:
            self.n_left_out[str(why)] += 1
        except Rejection as rejection:
            yield self._refuse(source, self._place(score), raw | {"interaction_id": score.trace_id}, str(rejection))
        else:
            if score.trace_id is None:
                reason = (
                    f"it is about '{score.observation_id}', which is not among the steps read; import both together"
                )
                yield self._refuse(source, self._place(score), raw, reason)
            else:
                yield make_line(source, self._place(score), record)

    def _place(self, found: Observation | Score) -> int:
        at = found.started_at if isinstance(found, Observation) else found.occurred_at
        return int(at.timestamp() * 1000) if self.is_placed_by_time else found.number

    def _refuse(self, source: str, number: int, raw: Mapping[str, Any], reason: str) -> Refused:
        """A record as it came, without whose it is; its own id is the key to find it by."""
        clean = _without_users(raw, self.hash_key)
        key = pick(raw, "id", *_IDS)
        kept = {"type": self.policy.tool, "interaction_id": None if key is None else str(key), "record": clean}
        return Refused(make_line(source, number, kept), reason)


def make_line(source: str, number: int, record: Mapping[str, Any]) -> Line:
    """A record as a line of the import format."""
    try:
        data = msgspec.json.encode(record, enc_hook=str)
    except (UnicodeEncodeError, OverflowError):  # half a surrogate pair, a huge number: the contract says so
        data = json.dumps(record, default=str).encode()
    return Line(source, number, data, len(data))


def _hashed(user: Any, key: bytes) -> str:
    return hash_user(str(user).encode("utf-8", "replace").decode(), key)


def _without_users(value: Any, key: bytes, depth: int = 0) -> Any:
    """A record whose users are keyed hashes, wherever they are named."""
    if depth > 20:
        return "..."
    if isinstance(value, Mapping):
        if str(value.get("key")) in _USERS and "value" in value:  # OTLP
            return {"key": value["key"], "value": _hashed(value["value"], key)}
        return {
            str(name): _hashed(item, key)
            if str(name).removeprefix("attributes.") in _USERS and item
            else _without_users(item, key, depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_users(item, key, depth + 1) for item in value]
    return value
