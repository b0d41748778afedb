"""What capture costs an application, what a dead sink costs in memory, and how fast the database takes its records.

    python -m feedback_loop_tests.benchmarks.capture [latency] [memory] [copy] [import] [sampling]

Latency: the same Starlette application with and without capture, in turns, asked by several clients in one event loop;
each request waits as for a model and says 2 kB. Belongs here: measuring. Does not belong here: judging; the figures are
in `docs/benchmarks.md`.
"""

import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from feedback_loop.capture import Capture, JsonlSpool, SamplingPolicy
from feedback_loop.environment import Environment
from feedback_loop.intake.direct import PostgresSink
from feedback_loop.store.engine import open_database
from feedback_loop_tests.capture.test_sampling import weighed
from feedback_loop_tests.capture.traffic import make_traffic, sampled
from feedback_loop_tests.capture.world import KEY, MemorySink, ask

CLIENTS, REQUESTS, ROUNDS, MODEL_S = 8, 400, 12, 0.01
QUESTION = "I ordered a lamp on Monday and the tracking page has said nothing since. " * 14
ANSWER = "It left our warehouse this morning; the parcel service will update its page tonight. " * 12


def make_app(capture: Capture | None) -> Any:
    """An endpoint that waits for its model, and says so to capture where there is one."""

    async def chat(request: Request) -> JSONResponse:
        wait = request.scope["wait"]
        if capture is None:
            await asyncio.sleep(wait)
        else:
            user = f"u{random.randrange(500)}"
            with capture.interaction(user_input=QUESTION, user_id=user, prompt_version="v1") as one:
                await asyncio.sleep(wait)
                one.output = ANSWER
                one.add_usage("claude-haiku-5-5", 900, 200)
        return JSONResponse({"answer": ANSWER})

    app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])
    return app if capture is None else capture.middleware(app)


async def latencies(app: Any) -> list[float]:
    """Milliseconds of each request beyond the model's time, `CLIENTS` at a time."""
    taken: list[float] = []

    async def client() -> None:
        for _ in range(REQUESTS // CLIENTS):
            wait = MODEL_S * random.uniform(0.5, 1.5)  # out of step with the others
            started = time.perf_counter()
            await ask(app, wait=wait)
            taken.append((time.perf_counter() - started - wait) * 1e3)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return taken


async def cpu_seconds(app: Any, n: int = 500) -> float:
    """Time that the event loop's thread computes for a request, whatever else the machine does."""
    started = time.thread_time()
    for _ in range(n):
        await ask(app, wait=0)
    return (time.thread_time() - started) / n


def measure_latency() -> None:
    with tempfile.TemporaryDirectory() as directory:
        capture = Capture("shop", JsonlSpool(directory), SamplingPolicy(rate=0.2), hash_key=KEY)
        apps = {"without": make_app(None), "with": make_app(capture)}
        rounds: dict[str, list[list[float]]] = {name: [] for name in apps}
        for _ in range(ROUNDS + 1):
            for name, app in apps.items():
                rounds[name].append(asyncio.run(latencies(app)))
        quantiles = {}
        cpu: dict[str, list[float]] = {name: [] for name in apps}
        for name in (*apps, *apps, *apps):
            cpu[name].append(asyncio.run(cpu_seconds(apps[name])))
        print(f"of the event loop's own time: {(min(cpu['with']) - min(cpu['without'])) * 1e6:.0f} us a request more")
        for name, parts in rounds.items():
            taken = np.array([one for part in parts[1:] for one in part])  # the first round warms up
            quantiles[name] = np.quantile(taken, (0.5, 0.99))
            print(f"{name:8} n={len(taken):,} p50={quantiles[name][0]:.3f} ms p99={quantiles[name][1]:.3f} ms")
        added = quantiles["with"] - quantiles["without"]
        capture.close()
        print(f"added: p50 {added[0]:.3f} ms, p99 {added[1]:.3f} ms; {capture.counts}")


def measure_memory() -> None:
    """Far more than fits, into a buffer whose sink is dead."""
    sink = MemorySink()
    sink.is_down = True
    process = psutil.Process()
    capture = Capture("shop", sink, SamplingPolicy(rate=0.2), hash_key=KEY)
    before = process.memory_info().rss
    for n in range(100_000):
        with capture.interaction(user_input=QUESTION + str(n), user_id=f"u{n % 5000}", prompt_version="v1") as one:
            one.output = ANSWER + str(n)
        if n % 200 == 0:
            time.sleep(0.005)
    rss = (process.memory_info().rss - before) / 2**20
    print(f"dead sink after 100,000 interactions: {rss:.0f} MB more; {capture.counts}")
    capture.close(0.1)


def measure_copy(n: int = 20_000) -> None:
    record = {"type": "interaction", "application": "shop", "prompt_version": "v1", "user_input": QUESTION}
    lines = [
        json.dumps({**record, "interaction_id": f"i{i}", "occurred_at": "2026-01-05T00:00:00Z", "output": ANSWER})
        for i in range(n)
    ]
    encoded = [line.encode() for line in lines]
    with tempfile.TemporaryDirectory(prefix="fl-") as directory, open_database(Environment(Path(directory))) as engine:
        sink = PostgresSink(engine.url.render_as_string(hide_password=False), KEY)
        sink.send(encoded[:1])
        for size in (50, 500):
            part = encoded[1 : n // 2] if size == 50 else encoded[n // 2 :]
            started = time.perf_counter()
            for start in range(0, len(part), size):
                sink.send(part[start : start + size])
            print(f"COPY in batches of {size}: {len(part) / (time.perf_counter() - started):,.0f} interactions/s")
        sink.close()


def measure_import(n: int = 25) -> None:
    def spent(code: str) -> tuple[float, float]:
        cpu, wall = [], []
        for _ in range(n):
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            wall.append((time.perf_counter() - started) * 1e3)
            cpu.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3)
        return min(cpu), min(wall)

    empty, loaded = spent("pass"), spent("import feedback_loop.capture")
    print(f"import: {loaded[0] - empty[0]:.0f} ms of CPU, {loaded[1] - empty[1]:.0f} ms of wall time more than nothing")


def measure_sampling(n_draws: int = 60) -> None:
    """Estimates over many draws of the same traffic against full capture of it, as a table."""
    for seed in (1, 2, 3):
        events = make_traffic(seed)
        n_all = sum(record["type"] == "interaction" for _, record in events)
        truth = np.array(weighed(events, sampled(events, SamplingPolicy(rate=1), KEY)))
        for rate in (0.1, 0.2):
            policy = SamplingPolicy(rate=rate)
            found, kept = [], []
            for draw in range(n_draws):
                lines = list(sampled(events, policy, draw.to_bytes(2, "big") * 16))
                kept.append(sum(b'"interaction","' in line[:24] for line in lines))
                found.append(weighed(events, lines))
            estimates = np.array(found)
            shares, means = estimates[:, 1] / estimates[:, 0], estimates.mean(0)
            low, high = np.quantile(shares, (0.025, 0.975))
            print(
                f"| {seed} | {rate:.0%} | {np.mean(kept) / n_all:.0%} | {truth[0]:,.0f} | {means[0]:,.0f} "
                f"| {truth[1]:,.0f} | {means[1]:,.1f} | {truth[1] / truth[0]:.4f} | {shares.mean():.4f} "
                f"({low:.4f} to {high:.4f}) |",
                flush=True,
            )


PARTS: dict[str, Callable[[], None]] = {
    "latency": measure_latency,
    "memory": measure_memory,
    "copy": measure_copy,
    "import": measure_import,
    "sampling": measure_sampling,
}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
