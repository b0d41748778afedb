"""Who met what, who had a pattern and who liked it, as SQL counts them; segments replaced per application and week."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine

from feedback_loop.segments import (
    CONTRADICTIONS,
    EXPOSED,
    HITS,
    LIKING,
    SEGMENTS,
    SegmentPolicy,
    find_contradictions,
    find_segments,
)
from feedback_loop.store import segments
from feedback_loop.store.frames import copy_frame
from feedback_loop.store.tables import pattern_memberships
from feedback_loop_tests.factories import (
    APPLICATION,
    W1,
    W2,
    Record,
    at,
    import_records,
    make_feedback,
    make_interaction,
)

DOC, FAQ = {"id": "doc-1", "title": "Returns"}, {"title": "FAQ"}


def member_of(engine: Engine, owners: Mapping[str, str], is_inferred: bool = False) -> None:
    rows = [
        {"interaction_id": i, "pattern_id": p, "similarity": 1.0, "is_inferred": is_inferred} for i, p in owners.items()
    ]
    with engine.begin() as conn:
        copy_frame(conn, pattern_memberships, pd.DataFrame(rows).assign(application=APPLICATION, week=W1))


def world() -> list[Record]:
    """Ann: two sessions with v1, one of them of two turns, one with v2. An unknown user, and others to leave out."""
    return [
        make_interaction("a1", at(W1, 1), user_id="ann", session_id="s1", cohort="new", retrieved_documents=[DOC, FAQ]),
        make_interaction("a2", at(W1, 2), user_id="ann", session_id="s1", cohort="new", retrieved_documents=[DOC]),
        make_interaction("a3", at(W1, 3), user_id="ann", session_id="s2", cohort="new", model="m"),
        make_interaction("a4", at(W1, 4), user_id="ann", session_id="s3", prompt_version="v2"),
        make_interaction("b1", at(W1, 5), user_id=None, session_id=None, prompt_name=None, retrieved_documents=[]),
        make_interaction("c1", at(W1 - timedelta(days=1)), user_id="ann", session_id="s4"),
        make_interaction("d1", at(W1, 6), application="other"),
    ]


def listed(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    return list(frame.itertuples(index=False, name=None))


def test_exposed_are_sessions_per_person_and_value(engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, world())
    with engine.connect() as conn:
        found = EXPOSED.check(segments.count_exposed(conn, APPLICATION, W1))
    assert listed(found) == [
        ("cohort", "new", 2, 1),
        ("document", "FAQ", 1, 1),
        ("document", "doc-1", 1, 1),
        ("model", "m", 1, 1),
        ("prompt_version", "support@v1", 2, 1),
        ("prompt_version", "support@v2", 1, 1),
        ("prompt_version", "v1", 1, 1),
    ]


def test_hits_are_persons_not_events_and_what_was_inferred_is_none(engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, world())
    member_of(engine, {"a1": "p", "a2": "p", "a3": "q", "b1": "p", "c1": "p"})
    member_of(engine, {"a4": "p"}, is_inferred=True)
    with engine.connect() as conn:
        found = HITS.check(segments.count_hits(conn, APPLICATION, W1))
        assert segments.count_hits(conn, APPLICATION, W2).empty
        assert segments.count_hits(conn, "other", W1).empty
    assert listed(found) == [
        ("p", "cohort", "new", 1),
        ("p", "document", "FAQ", 1),
        ("p", "document", "doc-1", 1),
        ("p", "prompt_version", "support@v1", 1),
        ("p", "prompt_version", "v1", 1),
        ("q", "cohort", "new", 1),
        ("q", "model", "m", 1),
        ("q", "prompt_version", "support@v1", 1),
    ]


def test_liking_is_of_the_kind_of_answer_that_the_pattern_is_about(engine: Engine, tmp_path: Path) -> None:
    def asked(name: str, cohort: str | None, user: str, **fields: object) -> Record:
        of_doc = {"cohort": cohort, "user_id": user, "retrieved_documents": [DOC]}
        return make_interaction(name, at(W1), **of_doc | fields)

    records = [
        asked("n1", "experts", "u1"),
        asked("n2", "experts", "u1"),  # one person
        asked("n3", "experts", "u2", retrieved_documents=[FAQ]),  # another document
        asked("n4", "guests", "u3", prompt_version="v2"),  # another version
        asked("l1", "novices", "u4"),
        asked("l2", "novices", "u5"),
        asked("l3", "novices", "u6"),
        asked("l4", "novices", "u7", retrieved_documents=[FAQ]),
        asked("l5", "novices", "u8", prompt_version="v2"),
        asked("l6", "experts", "u9"),
        asked("l7", None, "u9"),
        asked("l8", "novices", "u9", application="other"),
        make_feedback("l1", at(W1, 13), "thumbs_up"),
        make_feedback("l1", at(W1, 14), "accepted"),
        make_feedback("l2", at(W1, 13), "rating", value=4),
        make_feedback("l3", at(W1, 13), "rating", value=3),
        make_feedback("l3", at(W2, 1), "thumbs_up"),
        *(make_feedback(name, at(W1, 13), "thumbs_up") for name in ("l4", "l5", "l6", "l7", "l8")),
    ]
    import_records(engine, tmp_path, records)
    member_of(engine, {"n1": "p", "n2": "p", "n3": "p", "n4": "p"})
    with engine.connect() as conn:
        found = LIKING.check(segments.count_liking(conn, APPLICATION, W1))
    assert listed(found) == [("p", "cohort", "experts", 1, 1), ("p", "cohort", "novices", 0, 2)]


def test_where_no_document_is_most_of_a_pattern_its_version_is_the_kind(engine: Engine, tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(3)]
    records = [make_interaction(name, at(W1), cohort="experts", retrieved_documents=[{"id": name}]) for name in names]
    records += [make_interaction("l", at(W1), cohort="novices"), make_feedback("l", at(W1, 13), "thumbs_up")]
    import_records(engine, tmp_path, records)
    member_of(engine, dict.fromkeys(names, "p"))
    with engine.connect() as conn:
        found = segments.count_liking(conn, APPLICATION, W1)
    assert listed(found) == [("p", "cohort", "experts", 3, 0), ("p", "cohort", "novices", 0, 1)]


def test_from_facts_to_a_segment_and_a_contradiction(engine: Engine, tmp_path: Path) -> None:
    experts = [make_interaction(f"e{i}", at(W1), cohort="experts", prompt_version="v2") for i in range(40)]
    novices = [make_interaction(f"n{i}", at(W1), cohort="novices", prompt_version=f"v{i % 2}") for i in range(160)]
    liked = [make_feedback(f"n{i}", at(W1, 13), "thumbs_up") for i in range(0, 160, 4)]
    disliked = {f"e{i}": "p" for i in range(20)}
    moved = [record | {"prompt_version": "v2"} for record in novices[::4]]
    import_records(engine, tmp_path, [*experts, *moved, *(r for i, r in enumerate(novices) if i % 4), *liked])
    member_of(engine, disliked)
    with engine.begin() as conn:
        hits, exposed = (count(conn, APPLICATION, W1) for count in (segments.count_hits, segments.count_exposed))
        found = find_segments(hits, exposed, SegmentPolicy())
        assert set(found["value"]) == {"experts", "support@v2"}
        contradictions = find_contradictions(segments.count_liking(conn, APPLICATION, W1), SegmentPolicy())
        assert contradictions[["disliked_by", "liked_by"]].to_numpy().tolist() == [["experts", "novices"]]
        segments.save_segments(conn, APPLICATION, W1, found)
        segments.save_segments(conn, APPLICATION, W1, found)
        segments.save_contradictions(conn, APPLICATION, W1, contradictions)
    with engine.connect() as conn:
        pd.testing.assert_frame_equal(SEGMENTS.check(segments.read_segments(conn, APPLICATION, W1)), found)
        again = CONTRADICTIONS.check(segments.read_contradictions(conn, APPLICATION, W1))
        pd.testing.assert_frame_equal(again, contradictions)
        assert segments.read_segments(conn, "other", W1).empty


def test_a_week_is_replaced_by_what_was_found_and_no_other_week(engine: Engine) -> None:
    row = dict.fromkeys(SEGMENTS.columns, 0.01) | {"pattern_id": "p", "dimension": "model", "value": "m", "n_events": 9}
    with engine.begin() as conn:
        for week in (W1, W2):
            segments.save_segments(conn, APPLICATION, week, SEGMENTS.check(pd.DataFrame([row])))
        segments.save_segments(conn, APPLICATION, W1, SEGMENTS.check(pd.DataFrame(columns=list(SEGMENTS.columns))))
        assert segments.read_segments(conn, APPLICATION, W1).empty
        assert len(segments.read_segments(conn, APPLICATION, W2)) == 1
