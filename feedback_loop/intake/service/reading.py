"""Lines of a request into records: the rules of the contract, and those of the way they came.

Belongs here: what a key, a clock and a user allow a single record. Does not belong here: the contract
(`intake/contract.py`), whole requests (`access.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from feedback_loop.intake.contract import Deployment, Feedback, Interaction, Record, parse
from feedback_loop.intake.reading import Line
from feedback_loop.intake.reasons import Rejection
from feedback_loop.intake.service.limits import Buckets
from feedback_loop.intake.service.policy import ServePolicy
from feedback_loop.intake.storing import Batch
from feedback_loop.records import SIGNAL_NAMES
from feedback_loop.redaction import protect_id
from feedback_loop.redaction.deep import PATTERNS, Redactor
from feedback_loop.store.facts import FactKind
from feedback_loop.store.summaries import OUTCOMES
from feedback_loop.store.write_keys import WriteKey

WIDGET_SIGNALS = tuple(name for name in SIGNAL_NAMES if name not in OUTCOMES)
"""What a user can say or do; what came of it only a back end knows."""


@dataclass
class Received(Batch):
    """The lines of one request, parsed.

    Attributes:
        application: of all its records.
        interaction_ids: of its feedback rows, as stored, in their order.
        is_forbidden: a record was rejected because its key may not send it.
        wait_s: of the user who must wait longest; 0 where nobody must.
    """

    application: str = ""
    interaction_ids: list[str] = field(default_factory=list)
    is_forbidden: bool = False
    wait_s: float = 0.0


class Reader:
    """Makes records of the lines of one request.

    Args:
        kind: of all of them.
        key: that sent them.
        policy: of clocks.
        users: how much each sends.
        now: of this request.
        now_s: likewise, of the clock of `users`.
    """

    def __init__(
        self, kind: FactKind, key: WriteKey, policy: ServePolicy, users: Buckets, now: datetime, now_s: float
    ) -> None:
        self._kind, self._key, self._policy, self._users, self._now, self._now_s = kind, key, policy, users, now, now_s
        self._latest = now + timedelta(seconds=policy.max_ahead_s)
        self._earliest = now - timedelta(seconds=policy.max_widget_late_s)

    def receive(self, texts: Sequence[bytes], hash_key: bytes, redactor: Redactor = PATTERNS) -> Received:
        """All lines, as rows or rejected."""
        self._received = received = Received(application=self._key.application, redactor=redactor)
        rows, source = received.rows["feedback"], f"http:{self._key.key_id}"
        for number, text in enumerate(texts, start=1):
            n_before = len(rows)
            received.add(Line(source, number, text, len(text)), hash_key, read=self._read, kind=self._kind)
            if len(rows) > n_before:
                received.interaction_ids.append(protect_id(self._interaction_id, hash_key))
        return received

    def _read(self, text: bytes) -> Record:
        record = parse(text, self._kind, self._key.application)
        if isinstance(record, Feedback):
            self._check_time("occurred_at", record.occurred_at)
            self._check_signal(record.signal)
            self._check_user(record.user_id)
            self._interaction_id = record.interaction_id
        elif isinstance(record, Interaction):
            self._check_application(record.application)
            self._check_time("occurred_at", record.occurred_at)
        elif isinstance(record, Deployment):
            self._check_application(record.application)
            self._check_time("deployed_at", record.deployed_at)
        return record

    def _check_application(self, application: str | None) -> None:
        if application != self._key.application:
            self._received.is_forbidden = True
            raise Rejection(f"field 'application' is not that of the key, '{self._key.application}'")

    def _check_time(self, name: str, time: datetime) -> None:
        is_early = self._key.kind == "widget" and time < self._earliest
        if time > self._latest or is_early:
            raise Rejection(
                f"field '{name}' is too {'long ago for a widget' if is_early else 'far in the future'}: it says"
                f" {time.isoformat(timespec='seconds')}, while it is {self._now.isoformat(timespec='seconds')};"
                " mend the clock"
            )

    def _check_signal(self, signal: str) -> None:
        if self._key.kind == "widget" and signal in OUTCOMES:
            self._received.is_forbidden = True
            raise Rejection(f"field 'signal': a widget key may not send outcomes, got '{signal}'")

    def _check_user(self, user_id: str | None) -> None:
        if user_id is None:
            return
        who = hash((self._key.application, user_id))  # the same small size for every id
        if wait_s := self._users.wait_s(who, self._now_s):
            self._received.wait_s = max(self._received.wait_s, wait_s)
            limit = self._policy.user
            raise Rejection(
                f"this user sent more than {limit.burst:g} feedback records, and {limit.per_s:g} per second since"
            )
        self._users.take(who, 1, self._now_s)
