"""A support desk: 25 % of the tickets that an assistant answered were reopened; a new prompt brings 12 %.

2,000 tickets in 14 days, 80 % of them on the new prompt and 20 % held back on the old one, from an import file to the
verdict. It was worth a fix because a week on the old prompt had shown the pattern.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import Engine

from feedback_loop.records import midnight
from feedback_loop_tests.defs.world import open_world
from feedback_loop_tests.factories import W1, W2, W4, Record, at, make_deployment, make_feedback, make_interaction

LANGUAGES = ("French", "German", "Spanish", "Polish", "Danish", "Italian", "Czech")


def desk(first: date, n: int, n_days: int, version: str, rate: float) -> Iterator[Record]:
    """`n` tickets over some days, each a session of its own, every 1 / rate-th of them reopened two hours later."""
    for k in range(n):
        day, hour = first + timedelta(days=k * n_days // n), (k * n_days % n) / n * 20
        name = f"{version}-{first}-{k}"
        yield make_interaction(name, at(day, hour), prompt_version=version, user_id=f"u-{name}")
        if int((k + 1) * rate) > int(k * rate):
            said = f"answered in English although I wrote in {LANGUAGES[k % 7]}"
            yield make_feedback(name, at(day, hour + 2), "reopened", comment=said)


def test_from_an_import_file_to_the_verdict(engine: Engine, tmp_path: Path) -> None:
    with open_world(engine, tmp_path) as world:
        world.add(desk(W1, 500, 7, "v1", 0.25))
        assert not world.loop.run_week(W1).has_errors
        keys = [t["ticket_key"] for t in world.rows("tickets")]
        assert keys
        shipped = make_deployment(at(W2, 0), prompt_name="support", prompt_version="v2", rollout_share=0.8, fixes=keys)
        world.add([shipped, *desk(W2, 400, 14, "v1", 0.25), *desk(W2, 1600, 14, "v2", 0.12)])
        result = world.loop.verify(midnight(W4))
        assert not result.has_errors
        rows = world.rows("verifications")
        assert [row["verdict"] for row in rows] == ["effective"]
        (row,) = rows
        assert (row["n_after"], row["exposures_after"]) == (192, 1600)
        assert (row["n_before"], row["exposures_before"]) == (225, 900)  # the week before, and the hold-back beside it
        assert 0.45 < row["reduction"] < 0.6  # 1 - 12 / 25 = 52 %
        assert row["ci_low"] > 0.2
        assert not row["may_close"]
