"""The metrics and the stream that patterns are measured with, on made-up words; no data files."""

import gzip
from collections import Counter
from dataclasses import asdict, replace
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_loop_tests.benchmarks import patterns_baselines as baselines
from feedback_loop_tests.benchmarks.patterns_metrics import (
    UNPLACED,
    StreamScores,
    Tracked,
    mean_scores,
    score_groups,
    score_stream,
)
from feedback_loop_tests.benchmarks.patterns_stream import (
    BOT,
    NOISE,
    Labelled,
    Week,
    at_most,
    make_stream,
    read_labelled,
)

N_CLASSES, PER_CLASS = 20, 48


def made_up(n_classes: int, per_class: int) -> Labelled:
    rows = [(f"class {c} text {i}", f"c{c:02}") for c in range(n_classes) for i in range(per_class)]
    return Labelled([t for t, _ in rows], [c for _, c in rows], [f"noise {i}" for i in range(200)])


@pytest.fixture(scope="module")
def labelled() -> Labelled:
    return made_up(N_CLASSES, PER_CLASS)


@pytest.fixture(scope="module")
def stream(labelled: Labelled) -> list[Week]:
    return make_stream(labelled, seed=1)


@pytest.fixture(scope="module")
def far_apart() -> list[tuple[Week, baselines.Vectors]]:
    """Ten classes, each round an axis of its own; noise anywhere."""
    chance = np.random.default_rng(0)
    rows = []
    for week in make_stream(made_up(10, 160), seed=1):
        is_real = ~np.isin(week.truth, (NOISE, BOT))
        centres = chance.normal(scale=1 / 8, size=(len(week.truth), 64))
        centres[is_real] = np.eye(64)[[int(c[1:]) for c in week.truth[is_real]]]
        near = centres + chance.normal(scale=0.03, size=centres.shape)
        rows.append((week, (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)))
    return rows


def perfect(stream: list[Week]) -> list[Tracked]:
    """Every event in the pattern of its class, noise in none; a pattern is raised with its first event."""
    weeks, seen = [], set[str]()
    for week in stream:
        owner = np.where(np.isin(week.truth, (NOISE, BOT)), UNPLACED, np.char.add("p-", week.truth))
        raised = frozenset(set(owner.tolist()) - seen - {UNPLACED})
        seen |= raised
        weeks.append(Tracked(week.truth, owner, raised))
    return weeks


def tracked(truth: str, owner: str, *raised: str) -> Tracked:
    """One letter per event; "." is noise as a class and no pattern as an owner."""
    classes = [NOISE if t == "." else t for t in truth]
    return Tracked(np.array(classes), np.array([UNPLACED if o == "." else o for o in owner]), frozenset(raised))


class TestTrackers:
    def test_a_perfect_tracker_has_the_best_of_everything(self, stream: list[Week]) -> None:
        scores = score_stream(perfect(stream))
        n_new = len({c for week in stream[1:] for c in week.truth} - {NOISE, BOT} - set(stream[0].truth))
        assert n_new >= 3
        best = StreamScores(1, 1, 1, 1, 1, 1, 1, latency=0, count_error=0, noise=0, n_raised=n_new)
        assert asdict(scores) == pytest.approx(asdict(best))

    def test_one_that_renames_every_week_keeps_no_identity(self, stream: list[Week]) -> None:
        renamed = [
            replace(week, owner=np.where(week.owner == UNPLACED, UNPLACED, np.char.add(week.owner, f"-{n}")))
            for n, week in enumerate(perfect(stream))
        ]
        scores = score_stream(renamed)
        assert (scores.identity, scores.gap) == (0.0, 0.0)
        assert scores.nmi == pytest.approx(1.0)  # which a measure within a week does not see
        assert scores.ari < 0.3

    def test_one_that_places_nothing_gets_nothing(self, stream: list[Week]) -> None:
        scores = score_stream([Tracked(w.truth, np.full(len(w.truth), UNPLACED), frozenset()) for w in stream])
        assert (scores.acc, scores.identity, scores.new_recall, scores.noise) == (0.0, 0.0, 0.0, 0.0)
        assert scores.ari == pytest.approx(0.0)
        assert scores.count_error == 1.0
        assert isnan(scores.new_precision)
        assert isnan(scores.latency)

    def test_one_pattern_for_all_admits_all_noise(self, stream: list[Week]) -> None:
        scores = score_stream([Tracked(w.truth, np.full(len(w.truth), "p"), frozenset()) for w in stream])
        assert scores.noise == 1.0
        assert scores.ari == pytest.approx(0.0)
        assert scores.identity == 1.0  # and why identity means nothing alone

    @given(st.integers(0, 10_000))
    def test_names_and_order_do_not_matter(self, seed: int) -> None:
        weeks = [tracked("aabb.c", "xxyy.z"), tracked("abbbccc", "xyyzwwz", "w"), tracked("ddaaa.", "wwxxz.", "z")]
        rng = np.random.default_rng(seed)
        names = dict(zip("wxyz", rng.permutation([f"n{i}" for i in range(4)]).tolist(), strict=True))
        moved = []
        for week in weeks:
            order = rng.permutation(len(week.truth))
            owner = np.array([names.get(str(o), UNPLACED) for o in week.owner])
            moved.append(Tracked(week.truth[order], owner[order], frozenset(names[r] for r in week.raised)))
        ours, theirs = asdict(score_stream(weeks)), asdict(score_stream(moved))
        assert theirs == pytest.approx(ours, nan_ok=True)


class TestMetrics:
    def test_identity_is_counted_over_a_gap_of_two_weeks(self) -> None:
        back = [tracked("aa", "xx"), tracked("bb", "yy"), tracked("bb", "yy"), tracked("aa", "xx")]
        other = [*back[:3], tracked("aa", "zz")]
        assert (score_stream(back).identity, score_stream(back).gap) == (1.0, 1.0)
        assert (score_stream(other).identity, score_stream(other).gap) == (0.5, 0.0)

    def test_one_week_of_silence_is_no_gap(self) -> None:
        assert isnan(score_stream([tracked("aa", "xx"), tracked("bb", "yy"), tracked("aa", "xx")]).gap)

    def test_the_most_frequent_pattern_counts_and_unplaced_is_not_an_identity(self) -> None:
        assert score_stream([tracked("aaa", "xxy"), tracked("aaa", "zxx")]).identity == 1.0
        assert score_stream([tracked("aaa", "..x"), tracked("aaa", "..x")]).identity == 0.0

    def test_a_split_of_a_known_class_is_a_false_alarm(self) -> None:
        scores = score_stream([tracked("aaaa", "xxxx", "x"), tracked("aaaabbb", "xxyyzzz", "y", "z")])
        assert (scores.new_recall, scores.new_precision, scores.n_raised) == (1.0, 0.5, 2)

    def test_raising_a_new_class_twice_is_a_false_alarm(self) -> None:
        scores = score_stream([tracked("a", "x"), tracked("bb", "yy", "y"), tracked("bbb", "yzz", "z")])
        assert (scores.new_recall, scores.new_precision) == (1.0, 0.5)

    def test_a_pattern_of_mostly_noise_finds_no_class(self) -> None:
        scores = score_stream([tracked("a", "x"), tracked("b..", "yyy", "y")])
        assert (scores.new_recall, scores.new_precision) == (0.0, 0.0)

    def test_latency_is_weeks_from_the_first_event(self) -> None:
        scores = score_stream([tracked("a", "x"), tracked("ab", "x."), tracked("bb", ".."), tracked("bb", "yy", "y")])
        assert scores.latency == 2.0

    def test_count_error_is_of_all_events_in_the_matched_pattern(self) -> None:
        weeks = [tracked("aaaa..", "xxxxxx"), tracked("aaaa", "xx..")]  # 6 for 4, 2 for 4
        assert score_stream(weeks).count_error == 0.5

    def test_an_unmatched_class_is_counted_as_none(self) -> None:
        assert score_stream([tracked("aabb", "xxxx")]).count_error == 1.0  # 4 for 2, and 0 for 2

    def test_matching_is_one_to_one(self) -> None:
        scores = score_stream([tracked("aaabb", "xxxxx")])
        assert scores.acc == pytest.approx(0.6)

    def test_groups_of_one_week(self) -> None:
        truth = np.array(list("aabb"))
        assert score_groups(truth, np.array([3, 3, 1, 1])) == pytest.approx((1.0, 1.0, 1.0))
        nmi, ari, acc = score_groups(truth, np.array([0, 1, 0, 1]))
        assert (nmi, acc) == pytest.approx((0.0, 0.5))
        assert ari < 0

    def test_the_mean_leaves_out_what_could_not_be_counted(self) -> None:
        full = score_stream([tracked("a", "x"), tracked("b", "y", "y")])
        empty = score_stream([tracked("a", "x"), tracked("a", "x")])
        assert isnan(empty.new_recall)
        assert mean_scores([full, empty]).new_recall == full.new_recall
        assert isnan(mean_scores([empty, empty]).new_recall)


class TestStream:
    def test_the_same_seed_gives_the_same_weeks(self, labelled: Labelled, stream: list[Week]) -> None:
        for one, other in zip(stream, make_stream(labelled, seed=1), strict=True):
            assert one.events.equals(other.events)
            assert (one.truth == other.truth).all()
        assert not stream[0].events.equals(make_stream(labelled, seed=2)[0].events)

    def test_a_text_is_used_in_one_week_and_has_its_own_class(self, labelled: Labelled, stream: list[Week]) -> None:
        classes = dict(zip(labelled.texts, labelled.classes, strict=True))
        weeks: dict[str, set[int]] = {}
        for number, week in enumerate(stream):
            for text, truth in zip(week.events["failure_text"], week.truth, strict=True):
                assert truth == classes.get(text, truth)
                assert (text in classes) == (truth not in (NOISE, BOT))
                weeks.setdefault(text, set()).add(number)
        assert all(len(seen) == 1 for seen in weeks.values())
        assert set(weeks) <= set(labelled.all_texts)

    def test_lives_shares_and_bots(self, stream: list[Week]) -> None:
        seen = [set(week.truth) for week in stream]
        classes = set.union(*seen) - {NOISE, BOT}
        assert sum(all(c in week for week in seen) for c in classes) >= 0.3 * N_CLASSES
        assert sum(c not in seen[0] for c in classes) >= 0.15 * N_CLASSES
        assert any(c in seen[0] and c not in seen[4] and c in seen[-1] for c in classes)
        counts = Counter(truth for week in stream for truth in week.truth)
        n_real = sum(n for truth, n in counts.items() if truth not in (NOISE, BOT))
        assert counts[BOT] == 80
        assert counts[NOISE] == pytest.approx(0.08 * n_real, rel=0.25)
        assert N_CLASSES * PER_CLASS * 0.5 < n_real < N_CLASSES * PER_CLASS * 1.1
        for week in stream:
            bots = week.events["user_hash"][week.truth == BOT]
            assert set(bots.value_counts()) <= {40}
        ids = [i for week in stream for i in week.events["interaction_id"]]
        assert len(set(ids)) == len(ids)

    def test_at_most_keeps_texts_with_their_classes(self, labelled: Labelled) -> None:
        few = at_most(labelled, 7)
        assert set(Counter(few.classes).values()) == {7}
        assert set(zip(few.texts, few.classes, strict=True)) <= set(zip(labelled.texts, labelled.classes, strict=True))
        assert at_most(labelled, 10_000) == labelled


class TestReading:
    def test_plain_or_gzipped_and_noise_of_its_own(self, tmp_path: Path) -> None:
        lines = ["text,category"]
        lines += [f"text {i},{'ab'[i % 2]}" for i in range(20)] + [f"junk {i},oos" for i in range(12)] + [" ,a"]
        plain, packed = tmp_path / "set.csv", tmp_path / "set.csv.gz"
        plain.write_text("\n".join(lines), encoding="utf-8")
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        labelled = read_labelled(plain)
        assert labelled == read_labelled(packed)
        assert Counter(labelled.classes) == {"a": 10, "b": 10}
        assert labelled.noise == [f"junk {i}" for i in range(12)]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [("words,label\nx,a\n", "text"), ("text,category\nx,a\ny,b\n", "2 texts of 2"), ("", "category")],
    )
    def test_what_is_no_set_is_refused_by_name(self, tmp_path: Path, content: str, reason: str) -> None:
        path = tmp_path / "set.csv"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=rf"set\.csv .*{reason}"):
            read_labelled(path)


class TestComparators:
    """On classes far apart, whatever does not go by names has to keep everything."""

    @pytest.mark.parametrize("place", [baselines.CentroidMatch, baselines.NearestCentroid, baselines.ExemplarReplay])
    def test_far_apart_classes_are_followed(
        self, far_apart: list[tuple[Week, baselines.Vectors]], place: type[baselines.ExemplarReplay]
    ) -> None:
        follower = baselines.Follower(place())
        weeks = [Tracked(w.truth, *follower.week(w.events, v)) for w, v in far_apart]
        scores = score_stream(weeks)
        assert scores.ari > 0.9
        assert scores.identity > 0.9
        assert scores.gap > 0.9
        raised = [pattern for week in weeks for pattern in week.raised]
        assert len(raised) == len(set(raised))

    def test_noise_goes_to_the_nearest_centroid(self) -> None:
        rows = np.eye(3, dtype=np.float32)[[0, 1, 0, 1, 0]]
        assert baselines.with_nearest_centroid(np.array([4, 7, -1, -1, 4]), rows).tolist() == [4, 7, 4, 7, 4]
        assert baselines.with_nearest_centroid(np.full(5, -1), rows).tolist() == [0] * 5
