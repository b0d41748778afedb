"""Signals, texts and exposures as SQL reads them out of the facts."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine

from feedback_loop.extract import ExtractPolicy, extract_negatives
from feedback_loop.records import DESCRIPTIONS, Window
from feedback_loop.store import negatives
from feedback_loop_tests.factories import APPLICATION, W1, W2, at, import_records, make_feedback, make_interaction

SIGNALS = ExtractPolicy().candidate_signals
WEEK1, WEEK2 = Window.of_week(W1), Window.of_week(W2)


def test_signals_of_a_window_bring_the_earlier_ones_of_the_same_interaction(engine: Engine, tmp_path: Path) -> None:
    import_records(
        engine,
        tmp_path,
        [
            make_interaction("a", at(W1), session_id=None, prompt_name=None),
            make_interaction("b", at(W1)),
            make_feedback("a", at(W1, 13)),
            make_feedback("a", at(W2, 1), "report"),
            make_feedback("a", at(W2 + timedelta(days=7), 1), "retried"),  # not known by the end of the window
            make_feedback("b", at(W1, 13)),  # touched before the window only
            make_feedback("a", at(W2, 2), "thumbs_up"),
            make_feedback("unknown", at(W2, 2)),
        ],
    )
    with engine.connect() as conn:
        frame = negatives.read_signals(conn, WEEK2, SIGNALS)
    assert sorted(frame["signal"]) == ["report", "thumbs_down"]
    assert set(frame["interaction_id"]) == set(frame["session_key"]) == {"a"}
    assert set(frame["prompt_name"]) == {""}
    # Its first signal came in the week before: this week it is no new event.
    assert extract_negatives(frame, ExtractPolicy(), WEEK2).empty


def test_signals_by_event_time_hold_one_application_and_what_was_known(engine: Engine, tmp_path: Path) -> None:
    import_records(
        engine,
        tmp_path,
        [
            make_interaction("a", at(W1)),
            make_interaction("b", at(W1), application="other"),
            make_interaction("c", at(W2)),
            *(make_feedback(name, at(W2, 13)) for name in "abc"),
        ],
    )
    with engine.connect() as conn:
        early = negatives.read_signals_of(conn, APPLICATION, WEEK1, WEEK1.end, SIGNALS)
        late = negatives.read_signals_of(conn, APPLICATION, WEEK1, WEEK2.end, SIGNALS)
    assert early.empty
    assert late["interaction_id"].tolist() == ["a"]


def test_an_edit_comes_with_the_answer_it_changed_and_other_signals_without(engine: Engine, tmp_path: Path) -> None:
    import_records(
        engine,
        tmp_path,
        [
            make_interaction("a", at(W1), output="the answer"),
            make_feedback("a", at(W1, 13), "edited", edited_output="another"),
            make_feedback("a", at(W1, 14)),
        ],
    )
    with engine.connect() as conn:
        frame = negatives.read_signals(conn, WEEK1, SIGNALS).sort_values("signal")
    assert frame[["signal", "output", "edited_output"]].to_numpy().tolist() == [
        ["edited", "the answer", "another"],
        ["thumbs_down", None, None],
    ]


def test_of_a_long_edit_only_the_start_is_compared(engine: Engine, tmp_path: Path) -> None:
    long = "x" * 50_000
    edit = make_feedback("a", at(W1, 13), "edited", edited_output="y" * 50_000)
    import_records(engine, tmp_path, [make_interaction("a", at(W1), output=long), edit])
    with engine.connect() as conn:
        weekly = negatives.read_signals(conn, WEEK1, SIGNALS)
        historic = negatives.read_signals_of(conn, APPLICATION, WEEK1, WEEK1.end, SIGNALS)
    for frame in (weekly, historic):
        assert frame["output"].str.len().tolist() == frame["edited_output"].str.len().tolist() == [20_000]


def test_texts_hold_what_was_said_in_order_and_no_praise(engine: Engine, tmp_path: Path) -> None:
    import_records(
        engine,
        tmp_path,
        [
            make_interaction("a", at(W1), retrieved_documents=[], error="boom", output="x" * 5000),
            make_interaction("b", at(W1), retrieved_documents=[{"id": "d"}, {"id": "e"}]),
            make_feedback("a", at(W1, 15), comment="second", reason="bug"),
            make_feedback("a", at(W1, 14), comment="first"),
            make_feedback("a", at(W1, 13), "thumbs_up", comment="lovely"),
            make_feedback("a", at(W1, 16), "rating", value=5, comment="great"),
            make_feedback("a", at(W2, 1), comment="after the week"),
        ],
    )
    with engine.connect() as conn:
        texts = negatives.read_texts(conn, ["b", "a", "missing"], WEEK1.end)
        assert negatives.read_texts(conn, [], WEEK1.end).empty
    a, b = texts.to_dict("records")
    assert (a["comments"], a["reasons"], a["has_error"], a["n_documents"]) == (["first", "second"], ["bug"], True, 0)
    assert len(a["output"]) == 2000
    assert (a["signals"], b["signals"]) == (["thumbs_down"], [])  # neither the praise nor what came later
    assert (b["comments"], b["reasons"], b["has_error"], b["n_documents"]) == ([], [], False, 2)


def test_exposures_are_weighted_sessions_per_day_and_version(engine: Engine, tmp_path: Path) -> None:
    import_records(
        engine,
        tmp_path,
        [
            make_interaction("a1", at(W1, 1), session_id="s"),
            make_interaction("a2", at(W1, 2), session_id="s", sample_rate=0.5),  # the session was captured for sure
            make_interaction("a3", at(W1 + timedelta(days=1), 2), session_id="s"),
            make_interaction("b", at(W1, 3), session_id="t", sample_rate=0.25),
            make_interaction("c", at(W1, 4), session_id=None),
            make_interaction("d", at(W1, 4), session_id="s", prompt_version="v2"),
            make_interaction("e", at(W2, 0), session_id="s"),
            make_interaction("f", at(W1, 1), session_id="s", application="other"),
        ],
    )
    with engine.connect() as conn:
        frame = negatives.count_exposures(conn, WEEK1, APPLICATION)
        everything = negatives.count_exposures(conn, WEEK1)
    assert frame[["date", "prompt_version", "n_exposures", "n_sessions", "n_interactions"]].to_numpy().tolist() == [
        [W1, "v1", 1 + 4 + 1, 3, 4],
        [W1, "v2", 1, 1, 1],
        [W1 + timedelta(days=1), "v1", 1, 1, 1],
    ]
    assert everything["n_sessions"].sum() == 6


def test_saving_a_week_again_replaces_it_and_no_other(engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, [make_interaction("a", at(W1)), make_interaction("b", at(W2))])
    with engine.begin() as conn:
        for _ in range(2):
            for week, window in ((W1, WEEK1), (W2, WEEK2)):
                negatives.save_exposures(conn, week, negatives.count_exposures(conn, window))
        assert negatives.exposures_of_week(conn, W1) == {APPLICATION: 1.0}
        assert negatives.exposures_of_week(conn, W2) == {APPLICATION: 1.0}
        assert negatives.exposures_of_week(conn, W2 + timedelta(days=7)) == {}


@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_an_affected_session_weighs_what_its_exposure_weighs(engine: Engine, tmp_path: Path, rate: float) -> None:
    import_records(engine, tmp_path, [make_interaction("a", at(W1), sample_rate=rate), make_feedback("a", at(W1, 13))])
    with engine.connect() as conn:
        events = extract_negatives(negatives.read_signals(conn, WEEK1, SIGNALS), ExtractPolicy(), WEEK1)
        exposed = negatives.count_exposures(conn, WEEK1)
    assert events["weight"].sum() == exposed["n_exposures"].sum() == 1 / rate


def described(texts: list[str], application: str = APPLICATION, *, is_inferred: bool = False) -> pd.DataFrame:
    return DESCRIPTIONS.check(
        pd.DataFrame(
            {
                "application": application,
                "interaction_id": [f"{application}-{text}" for text in texts],
                "description": texts,
                "sentence": "",
                "failure_text": texts,
                "subject_text": "",
                "evidence": "comment",
                "is_inferred": is_inferred,
            }
        )
    )


def test_the_past_is_what_was_said_in_the_weeks_before_by_the_same_describer(engine: Engine) -> None:
    weeks = [W1 + timedelta(weeks=n) for n in range(4)]
    said = [(weeks[0], ["old"]), (weeks[1], ["a", "b"]), (weeks[2], ["b", "c"]), (weeks[3], ["this week"])]
    with engine.begin() as conn:
        for week, texts in said:
            foreign = described(["x"], "other")
            silent = described([f"silent {week}"], is_inferred=True)
            negatives.save_descriptions(conn, week, pd.concat([described(texts), foreign, silent]), "describe-2")
        past = negatives.read_past_texts(conn, APPLICATION, weeks[3], 2, "describe-2", 10)
        some = negatives.read_past_texts(conn, APPLICATION, weeks[3], 2, "describe-2", 2)
        negatives.save_descriptions(conn, weeks[2], described(["c"]), "describe-3")
        newest = negatives.read_past_texts(conn, APPLICATION, weeks[3], 2, "describe-3", 10)
    assert sorted(past["failure_text"].unique()) == ["a", "b", "c"]
    assert some["failure_text"].unique().tolist() == past["failure_text"].unique().tolist()[:2]  # the same every time
    assert newest["failure_text"].tolist() == ["c"]
    assert not past.duplicated().any()
    assert set(past["week"]) <= set(weeks[1:3])
