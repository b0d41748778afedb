"""Sinks that are killed and come back under load: nothing acknowledged is lost, nothing stored twice."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.capture import Capture, HttpSink
from feedback_loop.capture.sinks import Pause
from feedback_loop.intake.direct import PostgresSink
from feedback_loop.store import tables
from feedback_loop.store.engine import create_engine
from feedback_loop_tests.capture.world import ALL, KEY, Service, make_capture, moods


class Impatient(Pause):
    """Comes back after moments."""

    def failed(self, now: float, asked_s: float | None, chance: float) -> None:
        super().failed(now - 1e3, 1e3 + 0.02, chance)


def hurry(capture: Capture) -> None:
    """Pauses of moments, where a person would wait for minutes."""
    capture._writer._pause = capture._writer._ship_pause = Impatient()


def work(capture: Capture, n: int, seconds: float) -> list[str]:
    """Interactions with feedback on every other one, from two threads, spread over some time."""
    made: list[str] = []

    def one_thread(start: int) -> None:
        for number in range(start, n, 2):
            with capture.interaction(user_input=f"question {number}", prompt_version="v1") as one:
                one.output = "x" * 200
            if number % 4 < 2:
                capture.record_feedback(one.interaction_id, "thumbs_down")
            made.append(one.interaction_id)
            time.sleep(2 * seconds / n)

    threads = [threading.Thread(target=one_thread, args=(start,)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


def until(is_done: Callable[[], bool], seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not is_done() and time.monotonic() < ends:
        time.sleep(0.02)


def test_a_service_that_breaks_restarts_and_lies_about_it(tmp_path: Path) -> None:
    service = Service(moods(1)).start()
    capture = make_capture(HttpSink(service.url, "secret", timeout_s=2), spool=tmp_path)
    hurry(capture)
    stop = threading.Event()

    def restart() -> None:
        while not stop.wait(0.15):
            service.stop()
            stop.wait(0.1)
            service.start()

    killer = threading.Thread(target=restart)
    killer.start()
    made = work(capture, 1_000, 2.0)
    stop.set()
    killer.join()
    service.chaos = lambda: "ok"
    until(lambda: len(service.stored) == 1_500)
    capture.close()
    service.stop()
    interactions = {r["interaction_id"] for r in service.stored.values() if r["type"] == "interaction"}
    assert interactions == set(made)
    assert len(service.stored) == 1_500
    assert capture.losses.as_dict() == {}
    assert not list(tmp_path.glob("*.jsonl*"))


def test_without_a_spool_what_does_not_fit_is_lost_and_the_counter_says_how_much() -> None:
    service = Service(moods(2)).start()
    capture = make_capture(HttpSink(service.url, "secret", timeout_s=2), max_records=100)
    hurry(capture)
    service.stop()
    first = work(capture, 400, 0.5)
    service.start()
    until(lambda: capture.counts["buffered"] == 0)
    second = work(capture, 100, 0.5)
    service.chaos = lambda: "ok"
    until(lambda: capture.counts["buffered"] == 0)
    capture.close()
    service.stop()
    lost = capture.losses.as_dict()
    assert set(lost) == {"buffer_full"}
    assert len(service.stored) + lost["buffer_full"] == (len(first) + len(second)) * 3 // 2


def test_a_database_whose_sessions_are_killed(engine: Engine, admin: Engine, tmp_path: Path) -> None:
    url = engine.url.render_as_string(hide_password=False)
    name = engine.url.database
    capture = make_capture(PostgresSink(url, KEY), spool=tmp_path)
    hurry(capture)
    stop = threading.Event()

    def kill() -> None:
        chance = random.Random(3)
        with admin.connect() as conn:
            while not stop.wait(chance.uniform(0.02, 0.2)):
                conn.exec_driver_sql(f"alter database {name} allow_connections false")
                conn.execute(
                    sa.text("select pg_terminate_backend(pid) from pg_stat_activity where datname = :name"),
                    {"name": name},
                )
                stop.wait(chance.uniform(0, 0.1))
                conn.exec_driver_sql(f"alter database {name} allow_connections true")

    killer = threading.Thread(target=kill)
    killer.start()
    made = work(capture, 1_000, 3.0)
    stop.set()
    killer.join()
    until(lambda: not list(tmp_path.glob("*.jsonl*")))
    capture.close()
    engine.dispose()
    fresh = create_engine(url)
    with fresh.connect() as conn:
        stored = list(conn.execute(sa.select(tables.interactions.c.interaction_id)).scalars())
        n_feedback = conn.scalar(sa.select(sa.func.count()).select_from(tables.feedback))
        n_rejected = conn.scalar(sa.select(sa.func.count()).select_from(tables.rejected_records))
    fresh.dispose()
    assert sorted(stored) == sorted(made)
    assert (n_feedback, n_rejected) == (500, 0)
    assert capture.losses.as_dict() == {}


VICTIM = """
import sys, time
from feedback_loop.capture import Capture, HttpSink, SamplingPolicy
capture = Capture("shop", HttpSink({url!r}, "secret"), SamplingPolicy(rate=1), spool={spool!r}, hash_key=b"k" * 32,
                  interval_s=0.01)
for n in range(100_000):
    with capture.interaction(user_input="a") as one:
        pass
    if n % 50 == 49:
        while capture.counts.get("spooled", 0) < n + 1:
            time.sleep(0.001)
        print(n + 1, flush=True)
"""


def test_an_application_that_is_killed_loses_nothing_that_its_spool_has_taken(tmp_path: Path) -> None:
    service = Service(moods(4)).start()
    code = VICTIM.format(url=service.url, spool=str(tmp_path))
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    victim = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environ)
    assert victim.stdout is not None
    acknowledged = 0
    for _ in range(8):
        acknowledged = int(victim.stdout.readline())
    victim.send_signal(signal.SIGKILL)
    acknowledged = max([acknowledged, *(int(text) for text in victim.stdout.read().split())])
    victim.wait()
    victim.stdout.close()
    service.chaos = lambda: "ok"
    heir = Capture("shop", HttpSink(service.url, "secret"), ALL, spool=tmp_path, hash_key=KEY, interval_s=0.01)
    heir.flush()
    heir.close()
    service.stop()
    assert acknowledged <= len(service.stored) <= acknowledged + 50
    assert not list(tmp_path.glob("*.jsonl*"))
