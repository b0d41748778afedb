"""The ingest service as a sink: what acknowledges, what waits, what is given up."""

import json
import socket
from collections.abc import Iterator

import pytest

from feedback_loop.capture import HttpSink, Receipt, SinkUnavailable
from feedback_loop.errors import ConfigurationError
from feedback_loop_tests.capture.world import Service


def line(n: int, kind: str = "interaction", **fields: object) -> bytes:
    return json.dumps({"type": kind, "interaction_id": f"i{n}", **fields}, separators=(",", ":")).encode()


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service().start()
    yield running
    running.stop()


@pytest.fixture
def sink(service: Service) -> Iterator[HttpSink]:
    sink = HttpSink(service.url, "secret")
    yield sink
    sink.close()


def test_records_go_to_their_paths_and_known_ones_are_duplicates(service: Service, sink: HttpSink) -> None:
    batch = [line(1), line(1, "feedback", feedback_id="f"), line(2), line(1, "evaluation")]
    assert sink.send(batch) == Receipt(3, 0, ((3, "the service takes no records of this type"),))
    receipt = sink.send([line(1), line(2, output="other"), line(3)])
    assert receipt == Receipt(1, 1, ((1, "known with other content"),))
    assert len(service.stored) == 4


def test_a_batch_that_is_refused_goes_in_halves_down_to_the_record(service: Service, sink: HttpSink) -> None:
    service.refuse = lambda n_lines: 413 if n_lines > 3 else None
    assert sink.send([line(n) for n in range(20)]).n_stored == 20
    service.refuse = lambda n_lines: 422
    assert sink.send([line(30), line(31)]).rejected == ((0, "HTTP 422"), (1, "HTTP 422"))


@pytest.mark.parametrize(
    ("mood", "said"),
    [("busy", "503"), ("before", "cannot be reached"), ("after", "cannot be reached"), ("garbage", "not the ingest")],
)
def test_nothing_is_acknowledged_by_anything_but_the_service(
    service: Service, sink: HttpSink, mood: str, said: str
) -> None:
    service.chaos = lambda: mood
    with pytest.raises(SinkUnavailable, match=said) as caught:
        sink.send([line(1)])
    assert caught.value.retry_after_s == {"busy": 1.0, "garbage": 5.0}.get(mood)
    service.chaos = lambda: "ok"
    receipt = sink.send([line(1)])
    assert receipt.n_stored + receipt.n_duplicate == 1


def test_an_answer_that_does_not_account_for_all_acknowledges_none(service: Service, sink: HttpSink) -> None:
    service._store = lambda records: {"n_new": len(records) - 1, "n_duplicate": 0, "rejected": []}  # type: ignore[method-assign]
    with pytest.raises(SinkUnavailable, match="does not account"):
        sink.send([line(1), line(2)])


def test_a_wrong_key_keeps_the_records_and_is_not_repeated_in_the_message(service: Service) -> None:
    sink = HttpSink(service.url, "not-the-key")
    with pytest.raises(SinkUnavailable, match="is the write key right") as caught:
        sink.send([line(1)])
    sink.close()
    assert "not-the-key" not in str(caught.value)


def test_nobody_there_and_nobody_answering() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(SinkUnavailable, match="cannot be reached"):
            HttpSink(f"http://127.0.0.1:{port}", "secret", timeout_s=0.2).send([line(1)])
    with pytest.raises(SinkUnavailable, match="cannot be reached"):
        HttpSink(f"http://127.0.0.1:{port}", "secret", timeout_s=0.2).send([line(1)])


@pytest.mark.parametrize("url", ["", "ftp://host", "host:80", "https://", "https://user:pass@host"])
def test_wrong_urls_are_an_error_at_start(url: str) -> None:
    with pytest.raises(ConfigurationError):
        HttpSink(url, "secret")
    with pytest.raises(ConfigurationError, match="key"):
        HttpSink("https://host", "a\nb")
