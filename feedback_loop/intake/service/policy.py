"""The settings of the ingest service: how much it takes, from whom, and how long it waits."""

from dataclasses import dataclass
from math import inf

from feedback_loop.records import check_between


@dataclass(frozen=True)
class Limit:
    """A rate, of records.

    Attributes:
        per_s: records per second, in the long run.
        burst: records at once, after a pause.
    """

    per_s: float
    burst: float

    def __post_init__(self) -> None:
        check_between(self, 0.001, inf, "per_s")
        check_between(self, 1, inf, "burst")


@dataclass(frozen=True)
class ServePolicy:
    """How much the ingest service takes.

    Attributes:
        max_body_mb: largest body, MiB, also after it was unpacked.
        max_widget_body_kb: largest body sent with a widget key, KiB.
        max_records: most records in a request.
        max_waiting_mb: most bytes of bodies held at once, MiB; beyond it requests are told to come back.
        body_timeout_s: in which a body must have arrived.
        store_timeout_s: in which a request must be stored.
        max_ahead_s: how far a record's time may lie in the future, for clocks that go wrong.
        max_widget_late_s: how old a record of a widget may be: it reports what happens now.
        server_key: of one server key.
        widget_key: of one widget key, all its pages together.
        client: of one address that uses widget keys.
        user: of feedback of one user.
        max_tracked: addresses, and users, whose rate is remembered; of more the one longest unheard is forgotten.
    """

    max_body_mb: float = 8.0
    max_widget_body_kb: float = 64.0
    max_records: int = 10_000
    max_waiting_mb: float = 64.0
    body_timeout_s: float = 20.0
    store_timeout_s: float = 30.0
    max_ahead_s: float = 300.0
    max_widget_late_s: float = 3_600.0
    server_key: Limit = Limit(per_s=10_000.0, burst=200_000.0)
    widget_key: Limit = Limit(per_s=200.0, burst=2_000.0)
    client: Limit = Limit(per_s=5.0, burst=200.0)
    user: Limit = Limit(per_s=0.1, burst=1_000.0)
    max_tracked: int = 50_000

    def __post_init__(self) -> None:
        check_between(self, 0.001, 1024, "max_body_mb", "max_waiting_mb")
        check_between(self, 1, 1024, "max_widget_body_kb")
        check_between(self, 1, inf, "max_records", "max_tracked")
        check_between(self, 0.1, 600, "body_timeout_s", "store_timeout_s")
        check_between(self, 0, inf, "max_ahead_s", "max_widget_late_s")
        if self.max_waiting_mb < self.max_body_mb:
            raise ValueError("max_waiting_mb must be at least max_body_mb, or the largest body never fits")
