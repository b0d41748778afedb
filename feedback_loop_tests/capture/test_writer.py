"""The buffer: bounded, patient with a dead sink, empty after a fork, and light to import."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from feedback_loop.capture import Capture, JsonlSpool, Receipt, SamplingPolicy, SinkUnavailable
from feedback_loop.capture.losses import Losses
from feedback_loop.capture.preparing import Preparer
from feedback_loop.capture.writer import Writer
from feedback_loop_tests.capture.world import ALL, KEY, MemorySink, make_capture

HEAVY = ("dagster", "sqlalchemy", "psycopg2", "numpy", "pandas", "scipy", "sklearn", "msgspec", "pydantic", "anthropic",
         "httpx2", "starlette", "ssl", "asyncio", "email", "inspect",
         "dataclasses", "logging", "json", "pathlib")  # fmt: skip


def make_writer(sink: Any, policy: SamplingPolicy = ALL, **options: Any) -> Writer:
    """A writer whose thread never looks by itself."""
    losses = Losses()
    settings: dict[str, Any] = {"max_records": 1_000, "max_bytes": 1 << 20, "interval_s": 3_600.0}
    settings |= {"chance": lambda: 0.0} | options
    return Writer(lambda: Preparer("shop", KEY, {}, losses.warn), sink, policy, losses, **settings)


def put(writer: Writer, n: int, start: int = 0) -> None:
    for number in range(start, start + n):
        raw = {"type": "interaction", "interaction_id": f"i{number}", "occurred_at": 1.8e9, "user_input": "x" * 100}
        writer.put(raw, 200)


class TestADeadSink:
    def test_an_hour_of_it_costs_few_calls_and_what_does_not_fit_is_counted(self) -> None:
        sink = MemorySink()
        sink.is_down = True
        writer = make_writer(sink)
        for second in range(3_600):
            put(writer, 1, second)
            writer.step(float(second))
        assert writer.n_buffered <= 1_000
        assert writer.buffered_bytes <= 1 << 20
        assert sink.n_asked < 90
        sink.is_down = False
        writer.step(3_700.0)
        lost = writer.losses.as_dict()["buffer_full"]
        assert len(sink.lines) + lost == 3_600
        assert writer.counts["stored"] == len(sink.lines)
        assert writer.buffered_bytes == 0

    @pytest.mark.parametrize(("records", "n_bytes"), [(50, 1 << 30), (10_000, 60_000)])
    def test_the_buffer_is_bounded_in_records_and_in_bytes(self, records: int, n_bytes: int) -> None:
        writer = make_writer(MemorySink(), max_records=records, max_bytes=n_bytes)
        put(writer, 500)
        assert writer.n_buffered == 50
        assert writer.buffered_bytes <= n_bytes
        assert writer.losses.as_dict() == {"buffer_full": 450}

    def test_a_sink_that_asks_for_time_gets_it(self) -> None:
        class Busy(MemorySink):
            def send(self, lines: Sequence[bytes]) -> Receipt:
                self.n_asked += 1
                raise SinkUnavailable("busy", 120.0)

        sink = Busy()
        writer = make_writer(sink)
        put(writer, 1)
        for second in range(240):
            writer.step(float(second))
        assert sink.n_asked == 2

    def test_a_sink_with_a_bug_does_not_stop_the_rest_for_ever(self) -> None:
        class Buggy(MemorySink):
            def send(self, lines: Sequence[bytes]) -> Receipt:
                if any(b'"i0"' in line for line in lines):
                    raise ZeroDivisionError
                return super().send(lines)

        sink = Buggy()
        writer = make_writer(sink)
        put(writer, 1)
        for n in range(20):
            writer.step(100.0 * n)
        put(writer, 1, start=1)
        writer.step(1e6)
        assert writer.losses.as_dict() == {"sink_error": 1}
        assert len(sink.lines) == 1

    def test_what_is_rejected_is_counted_and_not_sent_again(self) -> None:
        class Picky(MemorySink):
            def send(self, lines: Sequence[bytes]) -> Receipt:
                self.n_asked += 1
                return Receipt(len(lines) - 1, 0, ((0, "known with other content"),))

        writer = make_writer(sink := Picky())
        put(writer, 3)
        writer.step(0.0)
        writer.step(9.0)
        assert (sink.n_asked, writer.losses.as_dict()) == (1, {"rejected_by_sink": 1})

    def test_closing_gives_up_in_time_and_counts_what_is_left(self) -> None:
        sink = MemorySink()
        sink.is_down = True
        capture = make_capture(sink)
        for _ in range(7):
            capture.record_feedback("i", "thumbs_up")
        assert not capture.close(timeout_s=0.3)
        assert capture.counts["dropped:unsent_at_exit"] == 7
        capture.record_feedback("i", "thumbs_up")
        assert capture.counts["dropped:closed"] == 1

    def test_no_handler_and_no_record_breaks_the_thread(self) -> None:
        capture = make_capture(sink := MemorySink())
        capture._writer.put({"type": "interaction"}, 0)
        capture._writer.put({"type": "feedback", "signal": ["?"], "interaction_id": 3}, 0)
        capture.record_feedback("i", "thumbs_up")
        assert capture.flush()
        assert capture.losses.as_dict() == {"unreadable": 1, "unknown_signal": 1}
        assert len(sink.lines) == 1
        capture.close()


class TestSamplingInTheWriter:
    def test_feedback_releases_what_waits_and_closing_settles_the_rest(self) -> None:
        capture = make_capture(sink := MemorySink(), policy=SamplingPolicy(rate=0.2))
        made = []
        for _ in range(200):
            with capture.interaction(user_input="a") as one:
                made.append(one.interaction_id)
        assert capture.flush()
        assert (sink.lines, capture.counts["waiting"]) == ([], 200)
        capture.record_feedback(made[0], "thumbs_down")
        assert capture.flush()
        assert [record["type"] for record in sink.records] == ["interaction", "feedback"]
        capture.close()
        rates = [r.get("sample_rate") for r in sink.records if r["type"] == "interaction"]
        assert rates[0] is None
        assert set(rates[1:]) == {0.2}
        assert len(rates) + capture.counts["left_out"] == 200
        assert 15 < len(rates) < 70


def run_python(code: str, **environ: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environ}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout


def test_importing_capture_loads_nothing_heavy() -> None:
    loaded = run_python("import sys, feedback_loop.capture, feedback_loop.intake.direct; print(*sys.modules)").split()
    assert "feedback_loop.capture.capture" in loaded
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []


def read_spool(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in directory.glob("*.jsonl*") for line in path.read_text().splitlines()]


FORKING = """
import os, sys
from feedback_loop.capture import Capture, JsonlSpool, SamplingPolicy
capture = Capture("shop", JsonlSpool({directory!r}), SamplingPolicy(rate=1), hash_key=b"k" * 32, interval_s=60)
capture.record_feedback("before", "thumbs_up")
children = []
for n in range(3):
    child = os.fork()
    if child == 0:
        capture.record_feedback(f"child{{n}}", "thumbs_up")
        sys.exit()
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_forked_workers_send_what_is_theirs_once_and_exit_flushes(tmp_path: Path) -> None:
    run_python(FORKING.format(directory=str(tmp_path)))
    found = sorted(record["interaction_id"] for record in read_spool(tmp_path))
    assert found == ["before", "child0", "child1", "child2"]


def test_a_thread_pool_of_applications_loses_nothing(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    capture = Capture("shop", JsonlSpool(tmp_path), ALL, hash_key=KEY, interval_s=0.01)
    work: Callable[[int], None] = lambda n: capture.record_feedback(f"i{n}", "thumbs_up")  # noqa: E731
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(2_000)))
    assert capture.close()
    assert sorted(record["interaction_id"] for record in read_spool(tmp_path)) == sorted(f"i{n}" for n in range(2_000))
