"""What patterns remember from week to week, and what a week that runs again must find again."""

import itertools
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop.cluster import WeekPatterns, cluster_week
from feedback_loop.cluster.memory import align_thresholds
from feedback_loop.records import PatternState
from feedback_loop_tests.cluster.test_week import EMBEDDER, POLICY, cluster, complaints, event
from feedback_loop_tests.factories import W1, W2, said


@pytest.fixture(scope="module")
def first() -> WeekPatterns:
    return cluster(complaints())


def test_a_week_with_a_merged_pattern_can_run_again_and_again() -> None:
    events = complaints("language link")
    frame = pd.DataFrame(events)
    first = cluster(events)
    for one, other in itertools.permutations(first.new_pattern_ids, 2):
        merges, found = {one: other}, first
        for _ in range(3):
            previous = dict(zip(found.memberships["interaction_id"], found.memberships["pattern_id"], strict=True))
            found = cluster_week("shop", W1, frame, [], EMBEDDER, POLICY, previous, merges)
            assert [p.pattern_id for p in found.states] == [p.pattern_id for p in first.states]
            assert [(row.pattern_id, row.other_pattern_id) for row in found.lineage] == [(one, other)]


@pytest.mark.parametrize("sentence", ["The answer is wrong", "Too slow to be useful", "It refused to help me cancel"])
def test_one_sentence_in_many_spellings_is_a_pattern_with_something_to_remember(sentence: str) -> None:
    spellings = [f"{sentence}{mark}" for mark in ("", ".", "!", "?", "...", "!!", " :", ";")]
    found = cluster([event(f"i-{n}", text) for n, text in enumerate(spellings)])
    (state,) = found.states
    assert state.exemplars
    assert len(found.memberships) == len(spellings)


def test_texts_without_a_direction_do_not_thin_out_the_past(first: WeekPatterns) -> None:
    events = complaints("language sum", prefix="j")
    always = [said(kind, n) for kind in ("language", "sum") for n in range(42)]
    unknown = [f"ዠ{n}ጀ" for n in range(400)]
    plain, thinned = (cluster(events, first.states, W2, past=past) for past in (always, [*always, *unknown]))
    assert plain.judgements == thinned.judgements


def test_a_week_without_a_word_changes_no_threshold(first: WeekPatterns) -> None:
    bars = [0.3, 0.4, 0.5, 0.9]
    states = [replace(first.states[0], pattern_id=f"p-{n}", threshold=bar) for n, bar in enumerate(bars)]
    assert [p.threshold for p in cluster([], states, W2).states] == bars


@given(st.lists(st.floats(0.01, 1), max_size=9))
def test_aligned_thresholds_stay_where_they_are(bars: list[float]) -> None:
    once = align_thresholds(bars)
    np.testing.assert_allclose(align_thresholds(list(once)), once)


def test_what_is_remembered_is_not_learnt_again() -> None:
    states: tuple[PatternState, ...] = ()
    for n in range(4):
        states = cluster(complaints(prefix=f"w{n}"), states, W1 + timedelta(weeks=n)).states
    for state in states:
        texts = [exemplar.text for exemplar in state.exemplars]
        assert len(texts) == len(set(texts))
