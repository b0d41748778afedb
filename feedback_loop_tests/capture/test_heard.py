"""Feedback that reaches another process than the one that answered keeps its interaction all the same."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from feedback_loop.capture import Capture, JsonlSpool, SamplingPolicy
from feedback_loop.capture.heard import Heard
from feedback_loop.capture.losses import Losses
from feedback_loop.capture.preparing import Preparer
from feedback_loop.capture.spool import Spooled
from feedback_loop.capture.writer import Writer
from feedback_loop_tests.capture.test_writer import read_spool
from feedback_loop_tests.capture.world import KEY, MemorySink

START = 1.8e9
RARE = SamplingPolicy(rate=1e-9, n_first_of_user=0, window_s=80)


def ids(board: Heard, wall: float) -> list[str]:
    return [interaction_id for some in board.news(wall) for interaction_id, _ in some]


class TestTheFiles:
    def test_what_one_tells_all_learn_once_also_one_that_comes_later(self, tmp_path: Path) -> None:
        first, second = Heard(tmp_path / "a" / "heard", 80), Heard(tmp_path / "a" / "heard", 80)
        assert ids(second, START) == []
        first.tell("i1", START)
        first.tell("é 2", START + 15)
        assert [ids(one, START + 16) for one in (first, second, second)] == [["i1", "é 2"], ["i1", "é 2"], []]
        late = Heard(tmp_path / "a" / "heard", 80)
        assert list(late.news(START + 20)) == [[("i1", 20.0)], [("é 2", 5.0)]]
        assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "a" / "heard").iterdir())

    def test_after_the_window_nothing_is_learned_and_no_file_is_left(self, tmp_path: Path) -> None:
        for second in range(0, 1_000, 5):
            Heard(tmp_path, 80).tell("i", START + second)
            Heard(tmp_path, 80).news(START + second).__next__()
        assert 8 <= len(list(tmp_path.iterdir())) <= 10
        assert len(ids(Heard(tmp_path, 80), START + 995)) == 16
        assert ids(Heard(tmp_path, 80), START + 2_000) == []
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("window_s", [0.0, 0.5, 15.0, 900.0, float("inf")])
    def test_any_window_of_a_policy_will_do(self, tmp_path: Path, window_s: float) -> None:
        board = Heard(tmp_path, window_s)
        for second in range(60):
            board.tell("i", START + second)
            assert ids(board, START + second) == (["i"] if window_s else [])
            assert len(list(tmp_path.iterdir())) <= 10

    @pytest.mark.parametrize("n_bytes", range(24))
    def test_half_a_line_neither_counts_nor_spoils_the_next(self, tmp_path: Path, n_bytes: int) -> None:
        board = Heard(tmp_path, 80)
        board.tell("torn", START)
        (path,) = tmp_path.iterdir()
        os.truncate(path, n_bytes if n_bytes < path.stat().st_size - 2 else 0)
        assert ids(board, START) == []
        Heard(tmp_path, 80).tell("whole", START)
        assert ids(board, START) == ["whole"]

    def test_a_file_is_bounded_and_what_is_no_line_is_passed_over(self, tmp_path: Path) -> None:
        board = Heard(tmp_path, 80, max_bytes=300_000)
        board.tell("first", START)
        (path,) = tmp_path.iterdir()
        with path.open("ab") as file:
            file.write(b"\xff" * 100_000 + b"\nx\ty\t.\n1\t\xff\t.\n\t\t\t\t\n")
        (tmp_path / "other").write_text("")
        board.tell("second", START)
        assert ids(board, START) == ["first", "second"]
        while path.stat().st_size < 299_900:
            board.tell("more", START)
        with pytest.raises(OSError, match="too much"):
            board.tell("x" * 200, START)
        assert path.stat().st_size <= 300_000
        assert set(ids(board, START)) == {"more"}


def make_writer(spool: Path) -> tuple[Writer, MemorySink]:
    losses, sink = Losses(), MemorySink()
    bounds: dict[str, Any] = {"max_records": 1_000, "max_bytes": 1 << 20, "interval_s": 3_600.0}
    preparer = Preparer("shop", KEY, {}, losses.warn)
    writer = Writer(lambda: preparer, Spooled(JsonlSpool(spool), sink), RARE, losses, wall=lambda: START, **bounds)
    return writer, sink


def answer(writer: Writer, name: str) -> None:
    writer.put({"type": "interaction", "interaction_id": name, "occurred_at": START, "user_input": "a"}, 1)


def complain(writer: Writer, name: str, signal: str = "thumbs_down") -> None:
    raw = {"type": "feedback", "feedback_id": f"f-{name}", "interaction_id": name, "occurred_at": START}
    writer.put({**raw, "signal": signal}, 1)


class TestTwoWriters:
    def test_feedback_elsewhere_keeps_an_interaction_before_or_after_it_ends(self, tmp_path: Path) -> None:
        (one, sink), (other, _) = make_writer(tmp_path), make_writer(tmp_path)
        answer(one, "ended")
        answer(one, "shown")
        one.step(0.0)
        for name in ("ended", "running"):
            complain(other, name)
        complain(other, "shown", "impression")
        other.put({"type": "heard", "interaction_id": "told"}, 1)
        other.step(1.0)
        answer(one, "running")
        answer(one, "told")
        for now in (2.0, 3.0, 79.0, 90.0, 200.0):
            one.step(now)
        kept = [record for record in sink.records if record["type"] == "interaction"]
        assert sorted(record["interaction_id"] for record in kept) == ["ended", "running", "told"]
        assert not any("sample_rate" in record for record in kept)
        assert one.gauges()["left_out"] == 1

    def test_news_comes_before_the_end_of_the_window_also_after_a_standstill(self, tmp_path: Path) -> None:
        (one, sink), (other, _) = make_writer(tmp_path), make_writer(tmp_path)
        answer(one, "i")
        one.step(0.0)
        complain(other, "i")
        other.step(79.0)
        answer(one, "next")
        one.step(500.0)
        assert "i" in [r["interaction_id"] for r in sink.records if r["type"] == "interaction"]

    def test_a_directory_that_is_none_costs_nothing_but_the_news(self, tmp_path: Path) -> None:
        (tmp_path / "heard").write_text("")
        writer, sink = make_writer(tmp_path)
        answer(writer, "i")
        complain(writer, "i")
        complain(writer, "elsewhere")
        writer.step(0.0)
        writer.step(1.0)
        assert [record["type"] for record in sink.records] == ["interaction", "feedback", "feedback"]
        assert (writer.counts["untold"], writer.losses.as_dict()) == (1, {})


PROCESS = """
import sys
from feedback_loop.capture import Capture, JsonlSpool, SamplingPolicy
policy = SamplingPolicy(rate=1e-9, n_first_of_user=0)
capture = Capture("shop", JsonlSpool(sys.argv[1]), policy, hash_key=b"k" * 32, interval_s=0.01)
for line in sys.stdin:
    what, interaction_id = line.split()
    if what == "answer":
        with capture.interaction(user_input="a") as one:
            pass
        interaction_id = one.interaction_id
    elif what == "complain":
        capture.record_feedback(interaction_id, "thumbs_down")
    else:
        capture.hear(interaction_id)
    capture.flush()
    print(interaction_id, flush=True)
"""


@contextmanager
def worker(spool: Path) -> Iterator[Any]:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-W", "error", "-c", PROCESS, str(spool)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:

        def ask(what: str, interaction_id: str = "-") -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{what} {interaction_id}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield ask
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


def test_two_processes_with_one_spool_keep_what_got_feedback_exactly_once(tmp_path: Path) -> None:
    with worker(tmp_path) as first:
        made = [first("answer") for _ in range(6)]
        with worker(tmp_path) as second:  # starts later
            second("complain", made[1])
            second("complain", made[1])
            second("hear", made[3])
            first("complain", made[4])
            made.append(second("answer"))
            first("complain", made[6])
    found = [record for record in read_spool(tmp_path) if record["type"] == "interaction"]
    assert sorted(r["interaction_id"] for r in found) == sorted(made[n] for n in (1, 3, 4, 6))
    assert {r.get("sample_rate", 1) for r in found} == {1}


def test_without_a_shared_directory_it_stays_within_the_process() -> None:
    first, second = (Capture("shop", MemorySink(), RARE, hash_key=KEY, interval_s=0.01) for _ in range(2))
    with first.interaction(user_input="a") as one:
        pass
    second.hear(one.interaction_id)
    assert second.flush()
    assert first.flush()
    assert (first.counts["waiting"], second.counts.get("captured", 0)) == (1, 0)
    first.hear(one.interaction_id)
    assert first.flush()
    assert first.counts["stored"] == 1
    first.close()
    second.close()
