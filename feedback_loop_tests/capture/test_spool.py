"""Files that survive: a restart, a torn line, a full disk, two processes at once."""

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from feedback_loop.capture import JsonlSpool, Receipt, SinkUnavailable
from feedback_loop.capture.spool import Spooled
from feedback_loop_tests.capture.world import MemorySink


def lines(n: int, start: int = 0) -> list[bytes]:
    return [json.dumps({"n": number}).encode() for number in range(start, start + n)]


def ship_all(spooled: Spooled) -> None:
    while spooled.ship() is not None:
        pass


def names(directory: Path) -> list[str]:
    return sorted(path.name.partition(".")[2] for path in directory.glob("*.jsonl*"))


def test_what_one_process_left_the_next_one_ships(tmp_path: Path) -> None:
    sink = MemorySink()
    sink.is_down = True
    first = Spooled(JsonlSpool(tmp_path), sink)
    assert first.send(lines(3)).n_stored == 3
    with pytest.raises(SinkUnavailable):
        first.ship()
    first.close()
    sink.is_down = False
    second = Spooled(JsonlSpool(tmp_path), sink)
    second.send(lines(2, start=3))
    ship_all(second)
    assert sink.lines == lines(5)
    assert names(tmp_path) == []


def test_the_file_of_a_living_process_is_left_alone_and_that_of_a_dead_one_is_not(tmp_path: Path) -> None:
    living, sink = JsonlSpool(tmp_path), MemorySink()
    living.send(lines(1))
    other = Spooled(JsonlSpool(tmp_path), sink)
    ship_all(other)
    assert (sink.lines, names(tmp_path)) == ([], ["jsonl.open"])
    living.forget()  # as a killed process does
    ship_all(other)
    assert (sink.lines, names(tmp_path)) == (lines(1), [])


def test_a_torn_last_line_is_left_out_and_the_others_are_sent(tmp_path: Path) -> None:
    (tmp_path / "00-1-aa.jsonl.open").write_bytes(b"\n".join(lines(2)) + b'\n{"n": 2')
    spooled = Spooled(JsonlSpool(tmp_path), sink := MemorySink())
    ship_all(spooled)
    assert sink.lines == lines(2)
    assert spooled.n_torn == 1


def test_large_files_go_in_batches_and_again_from_their_start_after_a_restart(tmp_path: Path) -> None:
    spooled = Spooled(JsonlSpool(tmp_path), sink := MemorySink())
    spooled.send(lines(1_200))
    assert spooled.ship()
    assert len(sink.lines) == 500
    again = Spooled(JsonlSpool(tmp_path), sink)
    ship_all(again)
    assert len(sink.lines) == 1_700
    assert set(sink.lines) == set(lines(1_200))


def test_only_one_process_ships_at_a_time(tmp_path: Path) -> None:
    class Asking(MemorySink):
        def send(self, lines: Sequence[bytes]) -> Receipt:
            assert other.ship() is None
            return super().send(lines)

    other = Spooled(JsonlSpool(tmp_path), MemorySink())
    first = Spooled(JsonlSpool(tmp_path), sink := Asking())
    first.send(lines(2))
    assert first.ship() is not None
    assert sink.lines == lines(2)


def test_the_directory_is_bounded(tmp_path: Path) -> None:
    spool = JsonlSpool(tmp_path, max_bytes=100)
    receipt = spool.send(lines(50))
    assert receipt.n_stored == 100 // len(lines(1)[0] + b"\n")
    assert receipt.dropped == (("spool_full", 50 - receipt.n_stored),)
    assert JsonlSpool(tmp_path, max_bytes=100).send(lines(1, start=10)).n_stored == 0


def test_a_full_disk_is_counted_and_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = JsonlSpool(tmp_path)
    spool.send(lines(2))
    real = os.write
    room = [5]

    def write(file: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        n = real(file, bytes(data[: room[0]]))
        room[0] -= n
        return n

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        assert spool.send(lines(3, start=2)).dropped == (("spool_no_space_left_on_device", 3),)
    assert spool.send(lines(1, start=9)).n_stored == 1
    spool.close()
    (path,) = tmp_path.glob("*.jsonl")
    assert path.read_bytes().splitlines() == lines(2) + lines(1, start=9)


def test_a_directory_that_cannot_be_made_is_counted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ((reason, n),) = JsonlSpool(tmp_path / "file" / "spool").send(lines(2)).dropped
    assert (reason, n) == ("spool_not_a_directory", 2)


def test_files_are_for_their_owner_only_and_age_ends_them(tmp_path: Path) -> None:
    clock = [0.0]
    spool = JsonlSpool(tmp_path / "s", file_s=10, now=lambda: clock[0])
    for clock[0] in (0.0, 5.0, 11.0):
        spool.send(lines(1))
    assert names(tmp_path / "s") == ["jsonl", "jsonl.open"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "s").iterdir())
