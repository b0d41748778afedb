"""Patterns over weeks: founded once, found again, never by an inference, and the same whatever the order of rows."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedback_loop.clients.embeddings import LexicalEmbedder, StaticEmbedder
from feedback_loop.cluster import ClusterPolicy, WeekPatterns, cluster_week, freeze_detector, place_events
from feedback_loop.cluster.said import Said, see
from feedback_loop.records import PatternState
from feedback_loop_tests.factories import W1, W2, said

POLICY = ClusterPolicy()
EMBEDDER = StaticEmbedder()


def event(interaction_id: str, description: str, **fields: Any) -> dict[str, Any]:
    return {
        "application": "shop",
        "interaction_id": interaction_id,
        "severity": 2,
        "user_hash": f"user of {interaction_id}",
        "description": description,
        "sentence": "",
        "failure_text": description,
        "subject_text": "Where do I see my invoice?",
        "evidence": "comment",
        "is_inferred": False,
        "user_input": "Where do I see my invoice?",
        "output": "Under Orders.",
        "comments": [description],
        "reasons": [],
        "edited_output": None,
        "has_error": False,
        "n_documents": float("nan"),
    } | fields


def complaints(kinds: str = "language link", n: int = 30, prefix: str = "i", **fields: Any) -> list[dict[str, Any]]:
    return [event(f"{prefix}-{kind}-{k:03}", said(kind, k), **fields) for kind in kinds.split() for k in range(n)]


def cluster(
    events: Iterable[dict[str, Any]],
    memory: Iterable[PatternState] = (),
    week: date = W1,
    policy: ClusterPolicy = POLICY,
    application: str = "shop",
    past: Sequence[str] = (),
) -> WeekPatterns:
    """A week's patterns; `past` was said in the week before."""
    before = pd.DataFrame({"failure_text": pd.Series(past, dtype="str"), "week": week - timedelta(weeks=1)})
    frame = pd.DataFrame(list(events), columns=list(event("", "")))
    return cluster_week(application, week, frame, list(memory), EMBEDDER, policy, past=before)


def links(n: int = 30, n_texts: int = 6, prefix: str = "i", **fields: Any) -> list[dict[str, Any]]:
    """Complaints about links in `n_texts` ways of saying it."""
    return [event(f"{prefix}-link-{k:03}", said("link", k % n_texts), **fields) for k in range(n)]


def owners(found: WeekPatterns) -> dict[str, str]:
    return dict(zip(found.memberships["interaction_id"], found.memberships["pattern_id"], strict=True))


@pytest.fixture(scope="module")
def first() -> WeekPatterns:
    return cluster(complaints())


def kind_of(found: WeekPatterns) -> dict[str, set[str]]:
    """pattern_id -> the kinds of complaint it holds."""
    kinds: dict[str, set[str]] = {}
    for interaction_id, pattern_id in owners(found).items():
        kinds.setdefault(pattern_id, set()).add(interaction_id.split("-")[1])
    return kinds


def test_complaints_of_two_kinds_never_share_a_pattern_and_nearly_all_are_placed(first: WeekPatterns) -> None:
    assert all(len(kinds) == 1 for kinds in kind_of(first).values())
    assert len(first.memberships) >= 54  # of 60
    assert {kind for kinds in kind_of(first).values() for kind in kinds} == {"language", "link"}
    assert first.memberships["interaction_id"].is_unique


def test_every_founded_pattern_is_new_named_and_remembered(first: WeekPatterns) -> None:
    assert [p.pattern_id for p in first.states] == list(first.new_pattern_ids) == sorted(first.new_pattern_ids)
    for pattern in first.states:
        assert pattern.first_seen_week == pattern.last_seen_week == W1
        assert pattern.name
        assert pattern.n_occurrences == sum(owner == pattern.pattern_id for owner in owners(first).values())
        assert 1 <= len(pattern.exemplars) <= POLICY.max_exemplars
        assert 0.2 < pattern.threshold < 1


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(first: WeekPatterns, chance: Any) -> None:
    events = complaints()
    chance.shuffle(events)
    again = cluster(events)
    assert again.states == first.states
    pd.testing.assert_frame_equal(again.memberships, first.memberships)


def test_the_order_of_the_memory_changes_nothing(first: WeekPatterns) -> None:
    events = complaints("language link sum", prefix="j")
    one, other = (cluster(events, memory, W2) for memory in (first.states, first.states[::-1]))
    assert one.states == other.states
    assert owners(one) == owners(other)


HASH_SEED = """
from feedback_loop_tests.cluster.test_week import cluster, complaints, owners
found = cluster(complaints())
print(repr((owners(found), found.states)))
"""


def test_another_hash_seed_of_python_changes_nothing(first: WeekPatterns) -> None:
    other = {**os.environ, "PYTHONHASHSEED": "12345"}  # this process has another one
    result = subprocess.run([sys.executable, "-c", HASH_SEED], env=other, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == repr((owners(first), first.states))


def test_the_id_depends_on_application_and_week(first: WeekPatterns) -> None:
    ids = [set(cluster(complaints(), application=a, week=w).new_pattern_ids) for a, w in (("x", W1), ("shop", W2))]
    assert not ids[0] & set(first.new_pattern_ids)
    assert not ids[1] & set(first.new_pattern_ids)


def test_the_same_failures_come_back_to_their_patterns(first: WeekPatterns) -> None:
    second = cluster(complaints(prefix="j"), first.states, W2)
    assert second.new_pattern_ids == ()
    assert set(owners(second).values()) <= {p.pattern_id for p in first.states}
    before, after = kind_of(first), kind_of(second)
    assert all(after[pattern_id] == before[pattern_id] for pattern_id in after)
    for old, new in zip(first.states, second.states, strict=True):
        n = sum(owner == old.pattern_id for owner in owners(second).values())
        assert new.n_occurrences == old.n_occurrences + n
        assert new.name == old.name
        assert new.exemplars[: len(old.exemplars)] == old.exemplars  # what is remembered stays


def test_a_new_failure_founds_its_own_pattern_beside_the_known(first: WeekPatterns) -> None:
    second = cluster(complaints("language sum", prefix="j"), first.states, W2)
    kinds = kind_of(second)
    assert second.new_pattern_ids
    assert all(kinds[pattern_id] == {"sum"} for pattern_id in second.new_pattern_ids)
    assert not [p for p, held in kinds.items() if "sum" in held and p not in second.new_pattern_ids]


def test_what_people_said_before_is_a_part_and_not_new(first: WeekPatterns) -> None:
    events = complaints("language sum", prefix="j")
    always = [said(kind, n) for kind in ("language", "sum") for n in range(42)]
    found = cluster(events, first.states, W2, past=always)
    sums = {p for p, kinds in kind_of(found).items() if kinds == {"sum"}}
    assert sums
    assert found.new_pattern_ids == ()
    decided = {j.pattern_id: j for j in found.judgements if j.pattern_id in sums}
    assert {j.judgement for j in decided.values()} == {"sub"}
    assert all("in the weeks before" in j.reason for j in decided.values())
    assert {(row.pattern_id, row.relation) for row in found.lineage} == {(p, "split_from") for p in sums}
    rare = cluster(events, first.states, W2, past=[said("language", n) for n in range(42)] + [said("sum", 0)])
    assert rare.new_pattern_ids  # one who said it before is no reason


def ends_alike(view: Said) -> float:
    """Cosine of the first and last text of a week as groups are found by."""
    ends = np.array([0, len(view.texts.texts) - 1])
    first, last = see(view.vectors[ends], view.sentences_of(ends), EMBEDDER).astype(float)
    return float(first @ last)


def test_what_a_model_wrote_finds_groups_and_places_nothing() -> None:
    """Two failures of which a model writes the same are one group; each event is still counted by its own words."""
    plain = complaints("link sum")
    told = [one | {"sentence": "The assistant answered in the wrong language."} for one in plain]
    apart, near = (ends_alike(Said.of(pd.DataFrame(events), EMBEDDER)) for events in (plain, told))
    assert near > apart + 0.2
    one, other = (place_events(pd.DataFrame(events), cluster(told).states, EMBEDDER) for events in (plain, told))
    pd.testing.assert_frame_equal(one, other)


def test_a_pattern_returns_to_its_id_after_silence(first: WeekPatterns) -> None:
    states, week = first.states, W1
    for _ in range(6):
        week += timedelta(days=7)
        states = cluster(complaints("link", prefix=f"{week}"), states, week).states
    languages = [p for p, kinds in kind_of(first).items() if kinds == {"language"}]
    assert {p.status for p in states if p.pattern_id in languages} == {"dormant"}
    again = cluster(complaints("language", prefix="k"), states, week + timedelta(days=7))
    assert again.new_pattern_ids == ()
    assert set(owners(again).values()) <= set(languages)
    returned = [p for p in again.states if p.pattern_id in set(owners(again).values())]
    assert all(p.status == "regressed" and p.n_silent_weeks == 0 for p in returned)
    after = cluster(complaints("language", prefix="m"), again.states, week + timedelta(days=14))
    returned = [p for p in after.states if p.pattern_id in set(owners(after).values())]
    assert {p.status for p in returned} == {"confirmed"}


def test_dormant_after_four_silent_weeks_with_data(first: WeekPatterns) -> None:
    (pattern, *_), week = first.states, W1
    seen = []
    for _ in range(5):
        week += timedelta(days=7)
        (pattern,) = cluster([event("x", "something else entirely")], [pattern], week).states
        seen.append((pattern.n_silent_weeks, pattern.status))
    assert seen == [(1, "confirmed"), (2, "confirmed"), (3, "confirmed"), (4, "dormant"), (5, "dormant")]


def test_an_empty_week_ages_nobody(first: WeekPatterns) -> None:
    empty = cluster([], first.states, W2)
    assert empty.states == first.states
    assert empty.memberships.empty
    assert empty.new_pattern_ids == ()


def link_patterns(found: WeekPatterns) -> list[PatternState]:
    return [p for p in found.states if kind_of(found).get(p.pattern_id) == {"link"}]


@pytest.mark.parametrize(("n_texts", "is_founded"), [(11, False), (16, True)])
def test_a_pattern_needs_distinct_texts_not_many_events(n_texts: int, is_founded: bool) -> None:
    found = cluster([*complaints("language"), *links(60, n_texts)], policy=replace(POLICY, min_texts=12))
    assert bool(link_patterns(found)) == is_founded


def test_five_distinct_texts_are_the_default() -> None:
    assert POLICY.min_texts == 5
    assert cluster(links(60, 4)).new_pattern_ids == ()


def test_a_week_in_which_all_complain_of_the_same_founds_its_pattern() -> None:
    found = cluster(links())
    assert len(found.new_pattern_ids) == 1
    assert len(found.memberships) >= 24  # the least typical of the 30 may be rejected


@pytest.mark.parametrize(("users", "status"), [(["a", "b"], "candidate"), (["a", "b", "c"], "confirmed")])
def test_few_users_make_a_candidate(users: list[str], status: str) -> None:
    few = [one | {"user_hash": users[n % len(users)]} for n, one in enumerate(links())]
    assert {p.status for p in link_patterns(cluster([*complaints("language"), *few]))} == {status}


def test_unknown_users_confirm_nothing() -> None:
    found = cluster([*complaints("language"), *links(user_hash=None)])
    assert {p.status for p in link_patterns(found)} == {"candidate"}


def test_a_candidate_is_confirmed_by_a_later_week_and_stays_it() -> None:
    one_user = cluster([*complaints("language"), *links(user_hash="u")])
    many = cluster([*complaints("language", prefix="j"), *links(prefix="j")], one_user.states, W2)
    again = cluster(links(1, prefix="k", user_hash="u"), many.states, W2 + timedelta(days=7))
    (pattern,) = link_patterns(one_user)
    statuses = [{p.pattern_id: p.status for p in found.states}[pattern.pattern_id] for found in (one_user, many, again)]
    assert statuses == ["candidate", "confirmed", "confirmed"]


def silent(n: int, subject: str, prefix: str = "q") -> list[dict[str, Any]]:
    fields = {"is_inferred": True, "evidence": "input", "failure_text": "", "subject_text": subject}
    return [event(f"{prefix}-silent-{k:03}", "not said", **fields) for k in range(n)]


def test_inferred_events_found_nothing_and_confirm_nothing(first: WeekPatterns) -> None:
    assert cluster(silent(30, "Where do I see my invoice?")).states == ()
    mixed = cluster([*complaints(), *silent(30, "Where do I see my invoice?")])
    assert mixed.states == first.states
    told = mixed.memberships[~mixed.memberships["is_inferred"]]
    assert dict(zip(told["interaction_id"], told["pattern_id"], strict=True)) == owners(first)


def test_inferred_events_go_where_those_about_the_same_go() -> None:
    """Complaints of two kinds about a subject each: who said nothing is placed by subject, and marked."""
    told = [
        one | {"subject_text": f"{subject} number {n % 7}"}
        for kind, subject in (
            ("language", "translate this letter to my landlord"),
            ("link", "how do I return a pair of shoes"),
        )
        for n, one in enumerate(complaints(kind))
    ]
    quiet = [
        *silent(5, "how do I return a pair of shoes number 4", "a"),
        *silent(5, "the weather on mars in summer", "b"),
    ]
    found = cluster([*told, *quiet])
    inferred = found.memberships[found.memberships["is_inferred"]]
    assert sorted(inferred["interaction_id"]) == [f"a-silent-{k:03}" for k in range(5)]
    assert kind_of(found)[inferred["pattern_id"].iloc[0]] == {"link", "silent"}


def test_nothing_at_all_and_texts_that_say_nothing() -> None:
    assert cluster([]).states == ()
    assert cluster([event(f"i{n}", "…") for n in range(10)]).states == ()
    assert len(cluster([event("only", "one text")]).memberships) == 0


def test_a_week_larger_than_the_sample_places_the_rest() -> None:
    """84 distinct texts, each four times, of which 50 are grouped: the rest finds its pattern too."""
    events = complaints(n=168)
    found = cluster(events, policy=replace(POLICY, max_sample=50))
    assert len(found.memberships) > 150
    assert all(len(kinds) == 1 for kinds in kind_of(found).values())
    text_of = {e["interaction_id"]: e["description"] for e in events}
    by_text = {text_of[i]: owner for i, owner in owners(found).items()}
    assert all(by_text[text_of[i]] == owner for i, owner in owners(found).items())


def test_a_frozen_detector_sees_what_the_live_week_sees(first: WeekPatterns) -> None:
    live = cluster(complaints(prefix="j"), first.states, W2).memberships
    placed = place_events(pd.DataFrame(complaints(prefix="j")), first.states, EMBEDDER)
    thresholds = live["pattern_id"].map({p.pattern_id: p.threshold for p in first.states})
    reached = live[live["similarity"] >= thresholds + 1e-6]
    assert len(reached) > 45
    merged = reached.merge(placed, on="interaction_id", how="left", suffixes=("", "_frozen"))
    assert (merged["pattern_id"] == merged["pattern_id_frozen"]).all()


def test_a_detector_is_named_by_what_decides_a_placement(first: WeekPatterns) -> None:
    version = freeze_detector(first.states, EMBEDDER, "offline-1").detector_version
    renamed = [replace(p, name="other", n_silent_weeks=3, status="dormant") for p in first.states]
    assert freeze_detector(renamed[::-1], EMBEDDER, "offline-1").detector_version == version
    stricter = [replace(p, threshold=p.threshold + 0.01) for p in first.states]
    assert freeze_detector(stricter, EMBEDDER, "offline-1").detector_version != version
    assert freeze_detector(first.states, EMBEDDER, "offline-2").detector_version != version
    assert freeze_detector(first.states, LexicalEmbedder(256), "offline-1").detector_version != version
    assert freeze_detector(first.states[1:], EMBEDDER, "offline-1").detector_version != version


@pytest.mark.parametrize(("n", "recall"), [(12, 0.6), (18, 0.75), (30, 0.75)])
def test_a_small_pattern_knows_its_failure_again(n: int, recall: float) -> None:
    """Recall on texts it never saw, as on those that founded it: else a verdict would see a cut where there is none."""
    found = cluster([*complaints("language", 40), *complaints("link", n)])
    fresh = pd.DataFrame([event(f"j-link-{k:03}", said("link", k)) for k in range(200, 260)])
    link_ids = {p.pattern_id for p in link_patterns(found)}
    placed = place_events(fresh, found.states, EMBEDDER)
    assert placed["pattern_id"].isin(link_ids).sum() >= recall * len(fresh)


def test_the_same_words_have_the_same_owner() -> None:
    memory = cluster([*complaints("language"), *links()]).states
    texts = [
        f"{said(kind, k)} {extra}" for kind in ("link", "language") for k in range(8) for extra in ("", "again", "now")
    ]
    repeated = [event(f"j-{n:02}-{copy}", text) for n, text in enumerate(texts) for copy in range(5)]
    owner = owners(cluster(repeated, memory, W2))
    for n in range(len(texts)):
        assert len({owner.get(f"j-{n:02}-{copy}") for copy in range(5)}) == 1


def test_a_week_run_again_with_late_events_keeps_its_ids() -> None:
    events = complaints()
    first = cluster(events)
    late = [*events, *complaints("link", n=12, prefix="a")]
    frame = pd.DataFrame(late, columns=list(event("", "")))
    again = cluster_week("shop", W1, frame, [], EMBEDDER, POLICY, previous=owners(first))
    assert set(first.new_pattern_ids) <= set(again.new_pattern_ids)


def test_members_of_a_merged_pattern_count_where_it_was_merged_into() -> None:
    first = cluster([*complaints("language"), *links()])
    (link, *_), (language, *_) = (
        sorted(p.pattern_id for p in link_patterns(first)),
        sorted(p.pattern_id for p in first.states if p not in link_patterns(first)),
    )
    later = pd.DataFrame([*complaints("language", prefix="j"), *links(prefix="j")])
    merged = cluster_week("shop", W2, later, first.states, EMBEDDER, POLICY, merges={link: language})
    apart = cluster_week("shop", W2, later, first.states, EMBEDDER, POLICY)
    n = apart.memberships["pattern_id"].value_counts()
    assert merged.memberships["pattern_id"].value_counts()[language] == n[language] + n[link]
    assert {p.pattern_id: p.n_silent_weeks for p in merged.states}[link] == 1
    unknown = cluster_week("shop", W2, later, first.states, EMBEDDER, POLICY, merges={link: "p-later"})
    assert unknown.memberships.equals(apart.memberships)
