"""Scores beside their interactions."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from feedback_loop.records import Window
from feedback_loop.store.scores import read_scores
from feedback_loop.verify import SCORES
from feedback_loop_tests.factories import APPLICATION, W1, W2, W3, at, import_records, make_interaction


def scored(name: str, value: float, **fields: Any) -> dict[str, Any]:
    return {"type": "evaluation", "interaction_id": name, "evaluator": "judge", "score": value, **fields}


def test_scores_have_what_their_interaction_knows(engine: Engine, tmp_path: Path) -> None:
    records = [
        make_interaction("i1", at(W1, 1), user_id="u1", user_input="same"),
        make_interaction("i2", at(W2, 1), user_id="u1", user_input="same", prompt_version="v2"),
        make_interaction("i3", at(W3, 1)),
        make_interaction("i4", at(W1, 1), application="other"),
        scored("i1", 0.25, evaluator_version="7"),
        scored("i2", 0.75),
        scored("i2", 0.5, occurred_at=at(W3, 5)),
        *(scored(name, 1.0) for name in ("i3", "i4")),
    ]
    import_records(engine, tmp_path, records)
    with engine.connect() as conn:
        found = SCORES.check(read_scores(conn, APPLICATION, Window(Window.of_week(W1).start, Window.of_week(W2).end)))
    found = found.sort_values("score").reset_index(drop=True)
    assert found["score"].tolist() == [0.25, 0.75]
    assert found["evaluator_version"].tolist() == ["7", ""]
    assert found["prompt_version"].tolist() == ["v1", "v2"]
    assert found["case_id"].nunique() == found["rater"].nunique() == 1
