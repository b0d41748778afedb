"""How fast an import is, and how much memory it takes, on synthetic records.

    python -m feedback_loop_tests.benchmarks.import_jsonl --interactions 1000000 --feedback 120000
    python -m feedback_loop_tests.benchmarks.import_jsonl --validators

The floor is PostgreSQL's own COPY of the stored columns, read from a file, into the same table with the same keys.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pydantic
from sqlalchemy import Engine

from feedback_loop.intake import contract
from feedback_loop.intake.importing import import_paths
from feedback_loop.store import schema
from feedback_loop.store.embedded import embedded_server
from feedback_loop.store.engine import create_engine
from feedback_loop.store.facts import COLUMNS

KEY = b"k" * 32
START = datetime(2026, 1, 5, tzinfo=UTC)
PROSE = (
    "my order did not arrive and the assistant told me to restart the app which makes no sense because refund invoice"
    " account delivery late wrong address tracking number support please help again answer policy return within days"
)
WORDS = PROSE.split()
SYSTEM_PROMPT = "You are a support assistant. Answer briefly, cite the policy, never promise a refund. " * 6


def make_interaction(number: int, rng: random.Random) -> dict[str, object]:
    """About 1.6 kB, with what redaction has to find.

    One in 50 texts holds an e-mail address, one in 10 an order number, one in 40 a name, one in 100 a phone number and
    an address of a machine, one in 200 an IBAN, one in 500 an API key.
    """
    text = " ".join(rng.choices(WORDS, k=25))
    if number % 50 == 0:
        text += " write to jo.doe@mail.example.com"
    if number % 10 == 0:
        text += f" order {number:010d} of 2026-01-05 for 19.99 EUR"
    if number % 100 == 0:
        text += f" or call 416-555-0142 from 10.20.{number // 100 % 250}.{number // 25_000 % 250}"
    if number % 200 == 0:
        text += " iban GB90YNTU67299444055881"
    if number % 500 == 0:
        text += f" with sk-ant-api03-{number:030d}"
    if number % 40 == 0:
        text += "\nKind regards,\nJo Doe"
    return {
        "type": "interaction",
        "interaction_id": f"i-{number:09d}",
        "occurred_at": (START + timedelta(seconds=number * 0.6)).isoformat(),
        "application": "support",
        "session_id": f"s-{number // 3}",
        "turn": number % 3,
        "user_id": f"user-{rng.randrange(50_000)}",
        "cohort": "web",
        "prompt_name": "support",
        "prompt_version": f"v{number // 200_000 + 1}",
        "model": "some-model",
        "model_parameters": {"temperature": 0.2, "max_tokens": 800},
        "system_prompt": SYSTEM_PROMPT,
        "user_input": text,
        "output": " ".join(rng.choices(WORDS, k=70)),
        "retrieved_documents": [{"id": f"doc-{number % 900}", "title": "Returns and refunds"}],
        "input_tokens": 400 + number % 100,
        "output_tokens": 90,
        "latency_ms": 812.5,
        "cost_usd": 0.0021,
        "sample_rate": 1.0,
        "metadata": {"channel": "web", "locale": "en"},
    }


def make_feedback(number: int, n_interactions: int, rng: random.Random) -> dict[str, object]:
    """A rating with a comment."""
    return {
        "type": "feedback",
        "feedback_id": f"f-{number:09d}",
        "interaction_id": f"i-{rng.randrange(n_interactions):09d}",
        "occurred_at": (START + timedelta(seconds=number * 5)).isoformat(),
        "user_id": f"user-{rng.randrange(50_000)}",
        "signal": "rating",
        "value": number % 5 + 1,
        "comment": " ".join(rng.choices(WORDS, k=12)),
    }


def write_file(path: Path, n_interactions: int, n_feedback: int, seed: int) -> None:
    """Interactions first, then feedback."""
    rng = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(n_interactions):
            file.write(json.dumps(make_interaction(number, rng)) + "\n")
        for number in range(n_feedback):
            file.write(json.dumps(make_feedback(number, n_interactions, rng)) + "\n")


def copy_alone(engine: Engine, directory: Path) -> float:
    """Seconds that COPY alone takes for the rows that were imported, into emptied tables."""
    raw = engine.raw_connection()
    assert raw.driver_connection is not None
    seconds = 0.0
    with closing(raw.driver_connection.cursor()) as cursor:
        for kind, table in (("interaction", "interactions"), ("feedback", "feedback")):
            columns = ", ".join(COLUMNS["interaction" if kind == "interaction" else "feedback"])
            path = directory / f"{table}.copy"
            with path.open("wb") as out:
                cursor.copy_expert(f"COPY feedback_loop.{table} ({columns}) TO STDOUT", out)
            cursor.execute(f"TRUNCATE feedback_loop.{table}")
            raw.commit()
            start = time.perf_counter()
            with path.open("rb") as rows:
                cursor.copy_expert(f"COPY feedback_loop.{table} ({columns}) FROM STDIN", rows, 1 << 20)
            raw.commit()
            seconds += time.perf_counter() - start
    raw.close()
    return seconds


def run(n_interactions: int, n_feedback: int, seed: int) -> None:
    """Import twice, then COPY alone; print one Markdown row."""
    n_rows = n_interactions + n_feedback
    with tempfile.TemporaryDirectory(prefix="fl-") as name:
        directory = Path(name).resolve()
        path = directory / "facts.jsonl"
        write_file(path, n_interactions, n_feedback, seed)
        with embedded_server(directory / "postgres", ["benchmark"]) as url:
            engine = create_engine(url.set(database="benchmark"))
            schema.upgrade(engine)
            before = peak_mb()
            first = import_paths(engine, [str(path)], hash_key=KEY)
            peak = peak_mb()
            again = import_paths(engine, [str(path)], hash_key=KEY)
            assert first.n_new.total() == again.n_duplicate.total() == n_rows, (first, again)
            floor = copy_alone(engine, directory)
            engine.dispose()
        size = path.stat().st_size / 1e6
    print("| rows | file MB | import s | rows/s | again s | COPY alone s | import / COPY | peak RSS MB (before) |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {n_rows:,} | {size:,.0f} | {first.seconds:.1f} | {n_rows / first.seconds:,.0f} | {again.seconds:.1f} "
        f"| {floor:.1f} | {first.seconds / floor:.2f} | {peak:.0f} ({before:.0f}) |"
    )


def peak_mb() -> float:
    """Highest resident memory of this process so far."""
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


class _PydanticDocument(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    id: str | None = None
    title: str | None = None


def pydantic_validator() -> Callable[[bytes], object]:
    """The interaction record with the same types and limits, as a pydantic model."""
    fields: dict[str, object] = {}
    for info in msgspec.structs.fields(contract.Interaction):
        fields[info.name] = (info.type, ... if info.required else info.default)
    fields["occurred_at"] = (pydantic.AwareDatetime, ...)
    fields["retrieved_documents"] = (list[_PydanticDocument] | None, None)
    fields["type"] = (str, "interaction")
    for name in ("interaction_id", "prompt_version"):
        fields[name] = (str, pydantic.Field(min_length=1, max_length=512))
    fields["sample_rate"] = (float | None, pydantic.Field(1.0, gt=0, le=1))
    model = pydantic.create_model("Interaction", __config__=pydantic.ConfigDict(extra="forbid"), **fields)  # type: ignore[call-overload]
    return model.model_validate_json


def compare_validators(n_rows: int, seed: int) -> None:
    """Rows per second of each library on the interaction record."""
    rng = random.Random(seed)
    lines = [json.dumps(make_interaction(number, rng)).encode() for number in range(n_rows)]
    print("| validator | rows/s |\n|---|---|")
    for name, validate in (
        (f"msgspec {msgspec.__version__}", contract._decoder.decode),
        (f"pydantic {pydantic.VERSION}", pydantic_validator()),
    ):
        best = min(_seconds(validate, lines) for _ in range(5))
        print(f"| {name} | {n_rows / best:,.0f} |")


def _seconds(validate: Callable[[bytes], object], lines: list[bytes]) -> float:
    start = time.perf_counter()
    for line in lines:
        validate(line)
    return time.perf_counter() - start


def main() -> None:
    """Read the arguments, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=100_000)
    parser.add_argument("--feedback", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--validators", action="store_true", help="compare msgspec with pydantic instead")
    arguments = parser.parse_args()
    if arguments.validators:
        compare_validators(20_000, arguments.seed)
    else:
        run(arguments.interactions, arguments.feedback, arguments.seed)


if __name__ == "__main__":
    main()
