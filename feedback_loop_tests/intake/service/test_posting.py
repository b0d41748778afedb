"""Facts over HTTP: one, many, again, wrong; and that what is answered is stored."""

import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from feedback_loop.intake.importing import import_paths
from feedback_loop.intake.service.policy import Limit, ServePolicy
from feedback_loop.intake.service.writing import Writer
from feedback_loop_tests.factories import rows
from feedback_loop_tests.intake import records
from feedback_loop_tests.intake.records import KEY, deployment, feedback, interaction
from feedback_loop_tests.intake.service.world import LINES, NOW, Service
from feedback_loop_tests.intake.service.world import service as running_service


def untyped(record: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "type"} | fields


def taken(n_new: int, n_duplicate: int = 0) -> dict[str, Any]:
    return {"n_new": n_new, "n_duplicate": n_duplicate, "rejected": []}


def test_one_record_of_each_kind_is_stored_under_the_keys_application(service: Service) -> None:
    for kind, record in (
        ("interactions", untyped(interaction())),
        ("feedback", untyped(feedback(feedback_id="f1"))),
        ("deployments", untyped(deployment())),
    ):
        reply = service.post(kind, record)
        assert (reply.status, reply.json) == (200, taken(1)), kind
        assert [row.get("application", "shop") for row in rows(service.engine, kind)] == ["shop"]


@pytest.mark.parametrize("form", ["list", "lines", "gzip"])
def test_many_at_once_and_again(service: Service, form: str) -> None:
    many = [interaction(f"i{n}") for n in range(50)]

    def send() -> Any:
        if form == "list":
            return service.post("interactions", many).json
        if form == "lines":
            return service.post("interactions", many, form=LINES).json
        body = gzip.compress(json.dumps(many).encode())
        return service.post("interactions", body, Content_Encoding="gzip").json

    assert send() == taken(50)
    assert send() == taken(0, 50)
    assert len(rows(service.engine, "interactions")) == 50


def test_the_same_record_by_file_and_by_http_is_the_same_record(service: Service, tmp_path: Any) -> None:
    service.post("interactions", untyped(interaction()))
    path = records.write(tmp_path / "a.jsonl", interaction(application="shop"))
    assert import_paths(service.engine, [path], hash_key=KEY).n_duplicate == {"interaction": 1}


def test_what_cannot_be_taken_is_named_and_kept_and_the_rest_goes_on(service: Service) -> None:
    lines = [
        interaction("a"),
        interaction("b", output=None),
        b"{not json\n",
        b'{"interaction_id": "c\xff"}\n',
        b'{"metadata": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}\n",
        feedback("a"),
        interaction("e", application="other"),
        interaction("f"),
    ]
    reply = service.post("interactions", lines, form=LINES)
    assert reply.status == 200
    assert reply.json["n_new"] == 2
    reasons = {row["index"]: row["reason"] for row in reply.json["rejected"]}
    assert set(reasons) == {1, 2, 3, 4, 5, 6}
    assert reasons[1] == "field 'output' must be text, got null"
    assert "not valid JSON" in reasons[2]
    assert "UTF-8" in reasons[3]
    assert "nested too deeply" in reasons[4]
    assert reasons[5] == "field 'type' must be interaction, got 'feedback'"
    assert "not that of the key, 'shop'" in reasons[6]
    assert reply.json["rejected"][0]["id"] == "b"
    kept = rows(service.engine, "rejected_records")
    assert sorted(row["line_number"] for row in kept) == [2, 3, 4, 5, 6, 7]
    assert all(row["source"].startswith("http:") for row in kept)
    service.post("interactions", lines, form=LINES)
    assert len(rows(service.engine, "rejected_records")) == 6


def test_a_known_id_with_other_content_never_overwrites(service: Service) -> None:
    service.post("feedback", untyped(feedback(feedback_id="f1", comment="first")))
    reply = service.post("feedback", untyped(feedback(feedback_id="f1", comment="second")))
    assert reply.status == 422
    assert reply.json["rejected"] == [
        {"index": 0, "id": "f1", "reason": "feedback_id 'f1' was imported before with other content"}
    ]
    assert reply.json["error"] == reply.json["rejected"][0]["reason"]
    assert [row["comment"] for row in rows(service.engine, "feedback")] == ["first"]


def test_a_single_rejected_record_is_an_error(service: Service) -> None:
    reply = service.post("interactions", untyped(interaction(sample_rate=2)))
    assert (reply.status, reply.json["error"]) == (422, "field 'sample_rate' must be at most 1")
    assert service.post("interactions", untyped(interaction(application="other"))).status == 403


def test_clocks_a_day_ahead_are_told_and_years_late_is_taken(service: Service) -> None:
    ahead = untyped(feedback(feedback_id="a", occurred_at=(NOW + timedelta(days=1)).isoformat()))
    reply = service.post("feedback", ahead)
    assert reply.status == 422
    assert "too far in the future" in reply.json["error"]
    assert reply.json["server_time"] == NOW.isoformat()
    soon = untyped(feedback(feedback_id="b", occurred_at=(NOW + timedelta(minutes=4)).isoformat()))
    late = untyped(feedback(feedback_id="c", occurred_at="2003-01-05T09:31:00Z"))
    assert service.post("feedback", [soon, late]).json == taken(2)


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"", {}, 400, "the body is empty"),
        (b"  \n ", {}, 400, "the body is empty"),
        (b'[{"a": 1}, {"b"', {}, 400, "the list is not valid JSON"),
        (b"[" * 100_000, {}, 400, "nested too deeply"),
        (b"7", {}, 422, "must be an object"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "send JSON"),
        (b"{}", {"Content-Type": "application/json; charset=utf-16"}, 415, "UTF-8"),
        (b"{}", {"Content-Encoding": "br"}, 415, "gzip"),
        (b"{}", {"Content-Encoding": "gzip"}, 400, "no gzip"),
        (gzip.compress(b"{}", mtime=0)[:-4], {"Content-Encoding": "gzip"}, 400, "breaks off"),
        (gzip.compress(b"{}", mtime=0) + b"{}", {"Content-Encoding": "gzip"}, 400, "breaks off"),
    ],
)
def test_unreadable_bodies_say_what_to_send(
    service: Service, body: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    usual = {"Authorization": f"Bearer {service.server}", "Content-Type": "application/json"}
    reply = service.send("POST", "/v1/feedback", body, usual | headers)
    assert (reply.status, says in reply.json["error"]) == (status, True), reply.body


SMALL = ServePolicy(max_body_mb=0.1, max_waiting_mb=0.15, body_timeout_s=0.3, max_records=100)


def raw(port: int, head: str, *chunks: bytes) -> bytes:
    """An answer to bytes as they are."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode())
        for chunk in chunks:
            connection.sendall(chunk)
        answer = b""
        while part := connection.recv(65536):
            answer += part
            if b"\r\n\r\n" in answer and answer.split(b"\r\n\r\n", 1)[1].endswith(b"}"):
                break
        return answer


def test_too_much_too_many_and_too_slow(engine: Engine) -> None:
    with running_service(engine, SMALL) as service:
        head = (
            f"POST /v1/feedback HTTP/1.1\nHost: a\nAuthorization: Bearer {service.server}\n"
            "Content-Type: application/json\n"
        )
        declared = raw(service.port, head + "Content-Length: 9000000\n\n")
        assert declared.startswith(b"HTTP/1.1 413 ")
        assert b"104,857 bytes" in declared
        chunk = b"c350\r\n" + b" " * 0xC350 + b"\r\n"
        assert raw(service.port, head + "Transfer-Encoding: chunked\n\n", chunk, chunk, chunk).startswith(
            b"HTTP/1.1 413 "
        )
        bomb = gzip.compress(b" " * 50_000_000)
        assert service.post("feedback", bomb, Content_Encoding="gzip").status == 413
        many = [feedback(f"i{n}") for n in range(101)]
        assert "at most 100" in service.post("feedback", many).json["error"]
        slow = raw(service.port, head + "Content-Length: 50\n\n", b"{")
        assert slow.startswith(b"HTTP/1.1 408 ")
        assert rows(engine, "feedback") == []
        assert service.post("feedback", untyped(feedback())).status == 200  # and it let everything go


def test_what_waits_is_bounded(engine: Engine) -> None:
    with running_service(engine, SMALL) as service:
        head = (
            f"POST /v1/feedback HTTP/1.1\nHost: a\nAuthorization: Bearer {service.server}\n"
            "Content-Type: application/json\nContent-Length: 100000\n\n"
        ).replace("\n", "\r\n")
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(head.encode() + b" " * 90_000)
            while (reply := service.post("feedback", b" " * 80_000)).status != 503:
                pass
            assert reply.headers["retry-after"] == "1"
        assert "waiting to be stored" in reply.json["error"]


def test_a_key_and_a_user_who_send_too_much(engine: Engine) -> None:
    limits = ServePolicy(server_key=Limit(0.001, 20), user=Limit(0.01, 3))
    with running_service(engine, limits) as service:
        mine = [untyped(feedback(f"i{n}", user_id="u")) for n in range(5)]
        reply = service.post("feedback", mine)
        assert (reply.status, reply.json["n_new"]) == (200, 3)
        assert {row["index"] for row in reply.json["rejected"]} == {3, 4}
        assert "more than 3 feedback records" in reply.json["rejected"][0]["reason"]
        single = service.post("feedback", mine[3])
        assert single.status == 429
        assert 90 <= int(single.headers["retry-after"]) <= 100
        assert service.post("feedback", untyped(feedback("i9", user_id="another"))).status == 200
        assert service.post("interactions", [interaction(f"i{n}", user_id="u") for n in range(30)]).json == taken(30)
        stopped = service.post("feedback", untyped(feedback()))
        assert (stopped.status, int(stopped.headers["retry-after"]) > 10_000) == (429, True)
        assert len(rows(engine, "rejected_records")) == 2


def test_feedback_on_interactions_of_another_application(service: Service) -> None:
    with service.engine.begin() as conn:
        statement = text(
            "insert into feedback_loop.interactions (interaction_id, application, occurred_at, prompt_version,"
            " user_input, output, content_hash) values ('theirs', 'other', now(), 'v', '', '', '')"
        )
        conn.execute(statement)
    reply = service.post("feedback", [untyped(feedback(one, feedback_id=one)) for one in ("mine", "theirs", "new")])
    assert reply.json["n_new"] == 2
    assert reply.json["rejected"] == [
        {"index": 1, "id": "theirs", "reason": "the interaction is of another application than the key"}
    ]


def test_requests_at_the_same_time_share_transactions_and_each_hears_its_own(engine: Engine) -> None:
    writer = Writer(engine, KEY)
    with running_service(engine, writer=writer) as service, ThreadPoolExecutor(16) as pool, engine.connect() as lock:
        lock.execute(text("lock table feedback_loop.feedback in exclusive mode"))  # so that requests must wait

        def send(n: int) -> dict[str, Any]:
            if n == 7:
                return dict(service.post("feedback", [untyped(feedback("i1", feedback_id="f1", comment="other"))]).json)
            return dict(service.post("feedback", [untyped(feedback(f"i{n % 30}", feedback_id=f"f{n % 30}"))]).json)

        futures = [pool.submit(send, n) for n in range(60)]
        while lock.scalar(text("select count(*) from pg_locks where not granted")) == 0:
            pass
        lock.rollback()
        replies = [future.result() for future in futures]
        assert sum(reply["n_new"] for reply in replies) == len(rows(engine, "feedback")) == 30
        n_rejected = sum(len(reply["rejected"]) for reply in replies)
        assert n_rejected >= 1
        assert sum(reply["n_duplicate"] for reply in replies) + n_rejected == 30
