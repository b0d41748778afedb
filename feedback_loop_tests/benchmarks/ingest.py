"""How many records per second the ingest service takes over HTTP.

    python -m feedback_loop_tests.benchmarks.ingest
    python -m feedback_loop_tests.benchmarks.ingest --group-rows 1

The service runs in a process of its own, as `feedback-loop serve` does; the load comes from this one, over connections
that stay open, each with one request at a time. All share the machine with the database.
"""

import argparse
import gc
import http.client
import json
import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import uvicorn
from sqlalchemy import text

from feedback_loop.intake.service.app import build_app
from feedback_loop.intake.service.policy import Limit, ServePolicy
from feedback_loop.intake.service.writing import Writer
from feedback_loop.store import schema
from feedback_loop.store.embedded import embedded_server
from feedback_loop.store.engine import create_engine
from feedback_loop.store.write_keys import create_key
from feedback_loop_tests.benchmarks.import_jsonl import KEY, make_feedback, make_interaction, peak_mb

POLICY = ServePolicy()
NO_LIMIT = Limit(1e9, 1e9)


def serve(url: str, group_rows: int, told: Connection) -> None:
    """The service, until its parent says so."""
    engine = create_engine(url)
    policy = replace(POLICY, server_key=NO_LIMIT, user=NO_LIMIT)
    writer = Writer(engine, KEY, group_rows)
    app = build_app(engine, hash_key=KEY, policy=policy, now=lambda: datetime.now(UTC), writer=writer)
    config = uvicorn.Config(app, port=0, ws="none", lifespan="on", access_log=False, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    told.send(server.servers[0].sockets[0].getsockname()[1])
    told.recv()
    server.should_exit = True
    thread.join()
    told.send(peak_mb())


def send(port: int, path: str, key: str, bodies: Sequence[bytes], seconds: list[float]) -> None:
    """Send bodies one after the other over one connection."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in bodies:
        started = time.perf_counter()
        connection.request("POST", path, body, headers)
        reply = json.loads(connection.getresponse().read())
        seconds.append(time.perf_counter() - started)
        assert (reply["n_new"] > 0, reply["rejected"]) == (True, []), reply
    connection.close()


def measure(port: int, path: str, key: str, records: Sequence[bytes], batch: int, n_connections: int) -> str:
    """Send records in batches over several connections; a Markdown row."""
    bodies = [b"\n".join(records[start : start + batch]) for start in range(0, len(records), batch)]
    seconds: list[float] = []
    threads = [
        threading.Thread(target=send, args=(port, path, key, bodies[n::n_connections], seconds))
        for n in range(n_connections)
    ]
    gc.collect()
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    seconds.sort()
    p50, p99 = (seconds[int(len(seconds) * share)] * 1000 for share in (0.5, 0.99))
    kind = path.rpartition("/")[2]
    return (
        f"| {kind} | {batch:,} | {n_connections} | {len(records) / took:,.0f} | {len(bodies) / took:,.0f} "
        f"| {p50:.1f} | {p99:.1f} |"
    )


def make(kind: Callable[[int], dict[str, object]], n: int, name: str) -> list[bytes]:
    """Records of which no id comes twice."""
    records = []
    for number in range(n):
        record = kind(number) | {"application": None}
        record = {field: value for field, value in record.items() if value is not None and field != "type"}
        for field in ("interaction_id", "feedback_id"):
            if field in record:
                record[field] = f"{name}-{record[field]}"
        records.append(json.dumps(record).encode())
    return records


def run(seed: int, group_rows: int, scale: float) -> None:
    """Start everything, measure every batch size, print a table."""
    rng = random.Random(seed)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fl-"))).resolve()
        server = stack.enter_context(embedded_server(directory / "postgres", ["benchmark"]))
        url = server.set(database="benchmark")
        engine = create_engine(url)
        schema.upgrade(engine)
        with engine.begin() as conn:
            key = create_key(conn, application="support", kind="server", created_at=datetime.now(UTC))
        here, there = multiprocessing.Pipe()
        arguments = (url.render_as_string(hide_password=False), group_rows, there)
        process = multiprocessing.get_context("spawn").Process(target=serve, args=arguments)
        process.start()
        port = here.recv()
        print("| records | batch | connections | records/s | requests/s | p50 ms | p99 ms |")
        print("|---|---|---|---|---|---|---|")
        for batch, n_connections, n in ((1, 1, 1_500), (1, 32, 6_000), (100, 4, 20_000), (1000, 4, 40_000)):
            n_records = max(batch * n_connections, int(n * scale))
            interactions = make(lambda number: make_interaction(number, rng), n_records, f"{batch}-{n_connections}")
            print(measure(port, "/v1/interactions", key, interactions, batch, n_connections), flush=True)
            feedback = make(lambda number: make_feedback(number, 1_000, rng), n_records, f"{batch}-{n_connections}")
            print(measure(port, "/v1/feedback", key, feedback, batch, n_connections), flush=True)
        with engine.connect() as conn:
            n_stored = conn.scalar(text("select count(*) from feedback_loop.interactions"))
        here.send(None)
        print(f"\n{n_stored:,} interactions stored; peak RSS of the service {here.recv():.0f} MB")
        process.join()
        engine.dispose()


def main() -> None:
    """Read the arguments, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--group-rows", type=int, default=4_000, help="most rows of a transaction shared by requests")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of records")
    arguments = parser.parse_args()
    run(arguments.seed, arguments.group_rows, arguments.scale)


if __name__ == "__main__":
    main()
