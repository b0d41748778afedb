"""Who may send and read what; CORS; health; the service's own description; and a log that tells nothing."""

import logging
import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text

from feedback_loop.errors import ConfigurationError, InputError
from feedback_loop.intake.contract import Feedback, Interaction
from feedback_loop.intake.service import access
from feedback_loop.intake.service.limits import Buckets
from feedback_loop.intake.service.policy import Limit, ServePolicy
from feedback_loop.intake.service.writing import Writer
from feedback_loop.records import SIGNAL_NAMES
from feedback_loop.store.summaries import OUTCOMES
from feedback_loop.store.write_keys import create_key, load_keys, read_origin, revoke_key
from feedback_loop_tests.factories import rows
from feedback_loop_tests.intake.records import KEY, deployment, feedback, interaction
from feedback_loop_tests.intake.service.world import NOW, PAGE, Service
from feedback_loop_tests.intake.service.world import service as running_service


def live(interaction_id: str = "i1", **fields: Any) -> dict[str, Any]:
    """Feedback of a user who is there now."""
    return feedback(interaction_id, occurred_at=NOW.isoformat(), **fields)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Basic abc", "Bearer fls_0123456789ab_" + "x" * 43, "Bearer {changed}", "Bearer {kind}"],
)
def test_keys_that_do_not_count(service: Service, header: str) -> None:
    changed = service.server[:-1] + ("a" if service.server[-1] != "a" else "b")
    sent = header.format(changed=changed, kind=service.server.replace("fls_", "flw_"))
    reply = service.send("POST", "/v1/feedback", b"{}", {"Authorization": sent, "Content-Type": "application/json"})
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert "feedback-loop keys create" in reply.json["error"]


def test_only_a_hash_of_the_secret_is_stored(service: Service) -> None:
    secret = service.server.split("_", 2)[2].encode()
    for row in rows(service.engine, "write_keys"):
        assert all(secret not in str(value).encode() for value in row.values())


def test_a_revoked_key_counts_no_longer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert service.post("feedback", live()).status == 200
    with service.engine.begin() as conn:
        revoke_key(conn, service.server.split("_")[1], NOW)
    monkeypatch.setattr(access, "MAX_AGE_S", 0.0)
    assert service.post("feedback", live()).status == 401


def test_a_widget_key_sends_what_users_say_and_nothing_else(service: Service) -> None:
    assert service.from_page(live(feedback_id="f1")).json["n_new"] == 1
    for signal in SIGNAL_NAMES:
        reply = service.from_page(live(signal=signal, feedback_id=signal, value=3))
        assert reply.status == (403 if signal in OUTCOMES else 200), signal
    assert service.post("interactions", interaction(), key=service.widget, origin=PAGE).status == 403
    assert service.post("deployments", deployment(), key=service.widget, origin=PAGE).status == 403
    assert service.get("/v1/interactions/i1/feedback", service.widget).status == 403
    assert service.from_page(live(comment="x" * 70_000)).status == 413
    old = service.from_page(feedback(occurred_at=(NOW - timedelta(days=1)).isoformat()))
    assert (old.status, old.json["server_time"]) == (422, NOW.isoformat())


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", PAGE + ".evil.example", "http://app.example.com"]
)
def test_a_widget_key_is_used_from_its_pages_only(service: Service, origin: str | None) -> None:
    reply = service.from_page(live(), origin=origin)
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers
    assert rows(service.engine, "feedback") == []


def test_browsers_are_told_which_pages_may(service: Service) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = service.send("OPTIONS", "/v1/feedback", headers={"Origin": PAGE, **asks})
    assert allowed.status == 204
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert "Origin" in allowed.headers["vary"]
    refused = service.send("OPTIONS", "/v1/feedback", headers={"Origin": "https://evil.example", **asks})
    assert (refused.status, "access-control-allow-origin" in refused.headers) == (403, False)
    wrong = service.post("feedback", live(), key="x", origin=PAGE)
    assert (wrong.status, wrong.headers["access-control-allow-origin"]) == (401, PAGE)
    assert service.send("OPTIONS", "/v1/interactions", headers={"Origin": PAGE, **asks}).status == 405


def test_an_address_that_sends_too_much(engine: Engine) -> None:
    with running_service(engine, ServePolicy(client=Limit(0.01, 2))) as service:
        replies = [service.from_page(live(f"i{n}"), X_Forwarded_For="203.0.113.9") for n in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert replies[2].headers["access-control-expose-headers"] == "Retry-After"
        assert service.from_page(live("i9"), X_Forwarded_For="203.0.113.10").status == 200
        nets = ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2::3", "2001:db8:1:3::1"]
        assert [service.from_page(live(f"n{n}"), X_Forwarded_For=n).status for n in nets] == [200, 200, 429, 200]


def test_a_million_users_cost_no_memory() -> None:
    buckets = Buckets(Limit(1, 10), 1_000)
    for n in range(1_000_000):
        buckets.take(n, 1, 0.0)
    assert len(buckets) == 1_000
    buckets.take("a", 100, 0.0)
    assert buckets.wait_s("a", 0.0) == 91
    assert buckets.wait_s("a", 91.0) == 0


def test_the_summary_counts_what_was_said_and_done(service: Service) -> None:
    service.post("interactions", interaction("a/b c"))
    said: list[dict[str, Any]] = [
        {"signal": "thumbs_up"}, {"signal": "thumbs_down", "reason": "off_topic"}, {"signal": "rating", "value": 2},
        {"signal": "rating", "value": 5, "comment": "fine <b>really</b>"}, {"signal": "comment", "reason": "off_topic"},
        {"signal": "copied"}, {"signal": "shown"}, {"signal": "dwell", "value": 800}, {"signal": "resolved"},
    ]  # fmt: skip
    service.post("feedback", [feedback("a/b c", feedback_id=f"f{n}", **one) for n, one in enumerate(said)])
    summary = service.get("/v1/interactions/a%2Fb%20c/feedback").json
    assert summary["thumbs"] == {"up": 1, "down": 1}
    assert summary["ratings"] == {"n": 2, "mean": 3.5}
    assert summary["reasons"] == [{"reason": "off_topic", "n": 2}]
    assert [one["comment"] for one in summary["comments"]] == ["fine <b>really</b>"]
    assert (summary["usage"]["copied"], summary["usage"]["shown"], summary["usage"]["edited"]) == (1, 1, 0)
    assert summary["usage"]["dwell"] == {"n": 1, "mean_ms": 800}
    assert (summary["outcomes"]["resolved"], summary["n_feedback"]) == (1, 9)


def test_summaries_of_others_and_of_nothing(service: Service) -> None:
    with service.engine.begin() as conn:
        other = create_key(conn, application="other", kind="server", created_at=NOW)
    service.post("interactions", interaction())
    assert service.get("/v1/interactions/i1/feedback").json["ratings"] == {"n": 0, "mean": None}
    for path in (
        "/v1/interactions/none/feedback",
        f"/v1/interactions/{'x' * 600}/feedback",
        "/v1/interactions/%00/feedback",
    ):
        assert service.get(path).status == 404
    with running_service(service.engine) as another:  # a new key counts at once in a service that starts
        assert another.get("/v1/interactions/i1/feedback", other).status == 404


def test_a_database_that_is_away_is_never_a_yes(engine: Engine, admin: Engine) -> None:
    name = engine.url.database
    hang_up = text("select pg_terminate_backend(pid) from pg_stat_activity where datname = :name")
    with running_service(engine) as service, admin.connect() as conn:
        assert service.get("/healthz").json["status"] == "ok"
        conn.execute(hang_up, {"name": name})
        assert service.post("feedback", live(feedback_id="f1")).status == 200  # it connects anew by itself
        conn.execute(text(f"alter database {name} allow_connections false"))
        conn.execute(hang_up, {"name": name})
        reply = service.post("feedback", live(feedback_id="f2"))
        assert (reply.status, int(reply.headers["retry-after"]), "n_new" in reply.json) == (503, 5, False)
        conn.execute(text(f"alter database {name} allow_connections true"))
        assert service.post("feedback", live(feedback_id="f2")).json["n_new"] == 1


def test_a_slow_database_is_a_503(engine: Engine) -> None:
    with running_service(engine, ServePolicy(store_timeout_s=0.3)) as service, engine.connect() as lock:
        lock.execute(text("lock table feedback_loop.feedback in exclusive mode"))
        reply = service.post("feedback", live(feedback_id="f1"))
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        lock.rollback()
        assert service.post("feedback", live(feedback_id="f1")).status == 200
        assert len(rows(engine, "feedback")) == 1


def test_another_hash_key_stops_the_start(engine: Engine) -> None:
    first = Writer(engine, KEY)
    first.start()
    first.close()
    with pytest.raises(ConfigurationError, match="not the key"):
        Writer(engine, b"other" * 8).start()


def test_health_names_an_old_schema(service: Service) -> None:
    with service.engine.begin() as conn:
        conn.execute(text("update feedback_loop.schema_version set version_num = '0001'"))
    reply = service.send("GET", "/healthz")
    assert (reply.status, "0001" in reply.json["status"]) == (503, True)


def test_every_answer_is_json_with_safe_headers(service: Service) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404), ("GET", "/v1/feedback", 405), ("DELETE", "/healthz", 405), ("GET", "/healthz", 200),
    ):  # fmt: skip
        reply = service.send(method, path)
        assert reply.status == status
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "server" not in reply.headers
        assert status == 200 or reply.json["error"]
    assert service.send("HEAD", "/healthz").body == b""
    widget = service.send("GET", "/widget.js")
    assert widget.headers["content-type"] == "text/javascript; charset=utf-8"
    assert service.send("GET", "/widget.js", headers={"If-None-Match": widget.headers["etag"]}).status == 304


def test_the_description_has_every_field_and_leads_nowhere_wrong(service: Service) -> None:
    document = service.send("GET", "/openapi.json").json
    schemas = document["components"]["schemas"]
    for record in (Interaction, Feedback):
        fields = {field.name for field in msgspec.structs.fields(record)} | {"type"}
        assert set(schemas[record.__name__]["properties"]) == fields
        assert "type" not in schemas[record.__name__]["required"]
    refs = re.findall(r'"\$ref":"#/components/schemas/(\w+)"', msgspec.json.encode(document).decode())
    assert set(refs) <= set(schemas)
    assert schemas["Feedback"]["properties"]["interaction_id"]["pattern"].startswith("^[^")
    assert set(document["paths"]) > {"/v1/interactions", "/v1/feedback", "/v1/deployments", "/healthz"}


def test_the_log_has_no_key_no_text_and_no_user(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG, "feedback_loop")
    secret = {"user_id": "hidden-user", "comment": "hidden-words"}
    service.post("feedback", live(value="hidden-value", **secret))
    service.post("feedback", live(**secret), key=service.server[:-2] + "zz")

    def fail(*_arguments: object, **_more: object) -> None:
        raise ValueError(secret["comment"])

    monkeypatch.setattr("feedback_loop.intake.service.writing.store_batch", fail)
    reply = service.post("feedback", live(**secret))
    assert (reply.status, "hidden" in reply.body.decode()) == (500, False)
    said = "\n".join(caplog.messages)
    assert "POST /v1/feedback 422" in said
    assert "ValueError" in said
    assert not re.search(r"hidden|fl[sw]_", said + caplog.text)


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://App.Example.com/", PAGE),
        ("https://app.example.com:443", PAGE),
        ("https://app.example.com:8443", PAGE + ":8443"),
        ("http://localhost:3000", "http://localhost:3000"),
    ],
)
def test_origins_are_written_as_browsers_write_them(written: str, origin: str) -> None:
    assert read_origin(written) == origin


@pytest.mark.parametrize(
    "written",
    ["", "*", "null", "app.example.com", "https://*.example.com", PAGE + "/a", "http://app.example.com", "https://[x"],
)
def test_what_is_no_origin(written: str) -> None:
    with pytest.raises(InputError):
        read_origin(written)


def test_a_widget_key_without_pages_and_a_server_key_with_some(engine: Engine) -> None:
    with engine.begin() as conn:
        for kind, origins in (("widget", ()), ("server", (PAGE,))):
            with pytest.raises(InputError, match="origins"):
                create_key(conn, application="a", kind=kind, origins=origins, created_at=NOW)  # type: ignore[arg-type]
        assert load_keys(conn) == {}
