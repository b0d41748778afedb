"""How fast export files of other tools are imported, and in how much memory.

    python -m feedback_loop_tests.benchmarks.import_tools --traces 50000

Traces are those of the tests (a step around a model call, a judge's score, two thumbs on three calls), multiplied.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from feedback_loop.intake.importers.policy import SourcePolicy
from feedback_loop.intake.importers.running import import_files
from feedback_loop.store import schema
from feedback_loop.store.embedded import embedded_server
from feedback_loop.store.engine import create_engine
from feedback_loop_tests.intake.importers.calls import CALLS, EXPORTS
from feedback_loop_tests.intake.importers.test_same_rows import FILES

KEY = b"k" * 32
PROSE = "my order did not arrive and the assistant told me to restart the app which makes no sense, call me back " * 6


def multiplied(path: Path, n_traces: int) -> Iterator[str]:
    """The lines of an export for as many traces, each with ids and users of its own and about 1.2 kB of text."""
    text = path.read_text(encoding="utf-8").replace(CALLS[0].question, PROSE).replace(CALLS[0].answer, PROSE)
    lines = text.splitlines() if path.stem != "otel" else [text.replace("\n", "\0")]
    for block in range(n_traces // len(CALLS)):
        for line in lines:
            fresh = line
            for call in CALLS:
                number = f"{block:011x}{call.number:x}"
                for known, new in (
                    ids(call.trace_id, number)
                    + ids(call.root_id, f"a{number[1:]}")
                    + ids(call.model_call_id, f"b{number[1:]}")
                ):
                    fresh = fresh.replace(known, new)
                for name in ("thumb-", "judge-", "user-", "r"):
                    fresh = fresh.replace(f'"{name}{call.number}"', f'"{name}{call.number}-{block}"')
            yield fresh.replace("00000000-0000-0000-0000-", f"{block:08x}-0000-0000-0000-").replace("\0", "\n") + "\n"


def ids(known: str, number: str) -> list[tuple[str, str]]:
    """An id and its UUID, and what stands for them."""
    new = number.rjust(len(known), "c")
    pairs = [(known, new)]
    if len(known) in (16, 32):
        pairs.append((uuid_of(known), uuid_of(new)))
    return pairs


def uuid_of(hexadecimal: str) -> str:
    h = hexadecimal.ljust(32, "0")
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def measure(engine: Engine, tool: Any, folder: Path, n_traces: int, say: Callable[[str], None]) -> None:
    paths = []
    for name in FILES[tool]:
        paths.append(folder / f"{name}.jsonl")
        with paths[-1].open("w", encoding="utf-8") as file:
            file.writelines(multiplied(EXPORTS / f"{name}.jsonl", n_traces))
    n_foreign = sum(path.read_bytes().count(b"\n") for path in paths)
    policy = replace(SourcePolicy(name=tool, tool=tool), application=tool)
    summary = import_files(engine, [str(path) for path in paths], policy, hash_key=KEY)
    again = time.perf_counter()
    import_files(engine, [str(path) for path in paths], policy, hash_key=KEY)
    again = time.perf_counter() - again
    size = sum(path.stat().st_size for path in paths) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    n = summary.n_new.total()
    say(
        f"| {tool} | {n_foreign:,} | {size:.0f} | {n:,} | {summary.n_rejected.total()} | {summary.seconds:.1f} |"
        f" {n / summary.seconds:,.0f} | {again:.1f} | {peak:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=50_000)
    parser.add_argument("--tools", nargs="+", default=["langfuse", "langsmith", "phoenix", "otel"])
    arguments = parser.parse_args()
    print(json.dumps(vars(arguments)))
    with tempfile.TemporaryDirectory(prefix="fl-") as directory:
        folder = Path(directory)
        with embedded_server(folder / "postgres", ["bench"]) as url, closing(_Engine(url)) as opened:
            for tool in arguments.tools:
                measure(opened.engine, tool, folder, arguments.traces, print)


class _Engine:
    def __init__(self, url: Any) -> None:
        self.engine = create_engine(url.set(database="bench"))
        schema.upgrade(self.engine)

    def close(self) -> None:
        self.engine.dispose()


if __name__ == "__main__":
    main()
