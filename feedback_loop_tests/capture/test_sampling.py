"""The law of sampling: whatever part of a session is counted, one over its highest rate is right on average."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from feedback_loop.capture.sampling import EXPLICIT_SIGNALS, Candidate, Sampler, SamplingPolicy, draw
from feedback_loop.extract import ExtractPolicy, extract_negatives
from feedback_loop.intake.direct import PostgresSink
from feedback_loop.prioritise import prioritise_patterns
from feedback_loop.records import Window
from feedback_loop.store import negatives
from feedback_loop_tests.capture.traffic import START, Event, finished, make_traffic, sampled

SALT, KEY = b"s" * 32, b"k" * 32
HALF = SamplingPolicy(rate=0.5, n_first_of_user=0, window_s=60)
WEEK = Window.of_week(START.date())


def one(name: str = "i", session: str | None = None, user: str | None = None, *, error: bool = False) -> Candidate:
    return Candidate(name, session or name, user, error, json.dumps({"id": name}).encode())


def ids(lines: Iterable[bytes]) -> list[str]:
    return [json.loads(line)["id"] for line in lines]


def rates(lines: Iterable[bytes]) -> list[float]:
    return [json.loads(line).get("sample_rate", 1.0) for line in lines]


class TestTheSampler:
    def test_errors_are_sent_at_once_with_certainty(self) -> None:
        assert rates(Sampler(HALF, SALT).take(one(error=True), 0)) == [1.0]

    def test_the_first_interactions_of_a_user_are_sent_with_certainty(self) -> None:
        sampler = Sampler(SamplingPolicy(rate=0.1, n_first_of_user=10), SALT)
        sent = [bool(sampler.take(one(f"i{n}", user="ann"), 0)) for n in range(12)]
        assert sent == [True] * 10 + [False] * 2
        assert not sampler.take(one("nobody"), 0)

    @pytest.mark.parametrize("signal", sorted(EXPLICIT_SIGNALS))
    def test_feedback_within_the_window_sends_what_waits(self, signal: str) -> None:
        sampler = Sampler(HALF, SALT)
        assert sampler.take(one("i"), 0) == []
        assert rates(sampler.hear("i", signal, 59)) == [1.0]
        assert (sampler.settle(), sampler.n_waiting, sampler.waiting_bytes) == ([], 0, 0)

    def test_feedback_before_the_answer_has_ended_counts_too(self) -> None:
        sampler = Sampler(HALF, SALT)
        assert sampler.hear("i", "thumbs_down", 0) == []
        assert rates(sampler.take(one("i"), 30)) == [1.0]

    def test_an_impression_keeps_nothing(self) -> None:
        sampler = Sampler(HALF, SALT)
        sampler.take(one("i"), 0)
        assert sampler.hear("i", "shown", 1) == []
        assert sampler.n_waiting == 1

    def test_after_the_window_the_draw_of_the_session_decides(self) -> None:
        sampler = Sampler(HALF, SALT)
        units = [f"s{n}" for n in range(200)]
        for unit in units:
            assert sampler.take(one(unit), 0) == []
        assert sampler.due(59.9) == []
        lines = sampler.due(60)
        assert ids(lines) == [unit for unit in units if draw(unit, SALT) < 0.5]
        assert set(rates(lines)) == {0.5}
        assert sampler.n_left_out == 200 - len(lines)
        assert sampler.hear(units[0], "thumbs_down", 61) == []

    def test_the_reserve_is_bounded_and_the_oldest_goes_whether_picked_or_not(self) -> None:
        sampler = Sampler(SamplingPolicy(rate=0.5, n_first_of_user=0, max_waiting=10), SALT)
        sent = [line for n in range(100) for line in sampler.take(one(f"s{n}"), n)]
        assert (sampler.n_waiting, sampler.n_cut_short) == (10, 90)
        assert ids(sent) == [f"s{n}" for n in range(90) if draw(f"s{n}", SALT) < 0.5]
        small = Sampler(SamplingPolicy(rate=0.5, n_first_of_user=0, max_waiting_bytes=50), SALT)
        for n in range(100):
            small.take(one(f"s{n}"), n)
        assert small.waiting_bytes <= 50

    def test_a_million_users_are_not_all_remembered(self) -> None:
        sampler = Sampler(SamplingPolicy(rate=0.5, max_users=50), SALT)
        for n in range(1_000):
            sampler.take(one(f"i{n}", user=f"u{n}"), n)
        assert len(sampler._users) == 50

    @given(st.floats(max_value=0) | st.floats(min_value=1, exclude_min=True) | st.just(float("nan")))
    def test_a_rate_outside_is_refused(self, rate: float) -> None:
        with pytest.raises(ValueError, match="rate must be above 0"):
            SamplingPolicy(rate=rate)


@given(st.lists(st.sampled_from((0.1, 0.2, 0.5, 1.0)), min_size=1, max_size=6), st.integers(0, 999))
def test_what_is_seen_of_a_session_shows_the_highest_rate_of_it(given_rates: list[float], n: int) -> None:
    """With one draw the surest interaction is there whenever any is; so its rate is the chance of seeing anything."""
    number = draw(f"s{n}", SALT)
    seen = [rate for rate in given_rates if number < rate]
    assert (max(seen) == max(given_rates)) if seen else number >= max(given_rates)


def test_draws_are_uniform_and_differ_between_installations() -> None:
    numbers = np.sort([draw(f"s{n}", SALT) for n in range(20_000)])
    assert abs(numbers - (np.arange(20_000) + 0.5) / 20_000).max() < 1.95 / np.sqrt(20_000)  # Kolmogorov, 0.1 %
    other = np.array([draw(f"s{n}", b"t" * 32) for n in range(20_000)])
    assert abs(np.corrcoef([draw(f"s{n}", SALT) for n in range(20_000)], other)[0, 1]) < 0.03


def weighed(events: list[Event], lines: Iterable[bytes]) -> tuple[float, float]:
    """Sessions, and sessions with a complaint, weighed as `store/` does it."""
    complained = {record["interaction_id"] for _, record in events if record["type"] == "feedback"}
    seen: dict[str, float] = defaultdict(float)
    affected: dict[str, float] = defaultdict(float)
    for line in lines:
        record = json.loads(line)
        if record["type"] == "interaction":
            rate, session = record.get("sample_rate", 1.0), record["session_id"]
            seen[session] = max(seen[session], rate)
            if record["interaction_id"] in complained:
                affected[session] = max(affected[session], rate)
    return sum(1 / rate for rate in seen.values()), sum(1 / rate for rate in affected.values())


def test_numerator_and_denominator_are_right_on_average_over_many_draws() -> None:
    events = make_traffic(seed=1)
    truth = weighed(events, sampled(events, SamplingPolicy(rate=1), SALT))
    policy = SamplingPolicy(rate=0.15, n_first_of_user=3)
    many = np.array([weighed(events, sampled(events, policy, bytes([n]) * 32)) for n in range(25)])
    error = many.std(0, ddof=1) / np.sqrt(len(many))
    assert (np.abs(many.mean(0) - truth) < 4 * error + 1e-9).all(), (many.mean(0), truth, error)
    assert (error < 0.03 * np.array(truth)).all()


def test_sending_picked_interactions_at_once_would_have_been_wrong() -> None:
    """Why all wait: what was picked and sent at the rate, and got feedback later, weighs 1 / rate instead of 1."""
    events = make_traffic(seed=1)
    truth = weighed(events, sampled(events, SamplingPolicy(rate=1), SALT))[1]

    def hasty(salt: bytes) -> Iterable[bytes]:
        for line in sampled(events, SamplingPolicy(rate=0.15, n_first_of_user=0), salt):
            record = json.loads(line)
            if record["type"] == "interaction" and draw(record["session_id"], salt) < 0.15 and "error" not in record:
                record["sample_rate"] = 0.15
            yield json.dumps(record).encode()

    wrong = np.mean([weighed(events, hasty(bytes([n]) * 32))[1] for n in range(6)])
    assert wrong > 1.4 * truth


Counted = dict[str, tuple[float, float, float]]
"""Version -> affected sessions, exposures, rate."""


def count(engine: Engine, lines: Sequence[bytes]) -> Counted:
    """Rates per version by the loop's own code: facts, exposures, negatives, weekly numbers."""
    sink = PostgresSink(engine.url.render_as_string(hide_password=False), KEY)
    for start in range(0, len(lines), 500):
        assert not sink.send(lines[start : start + 500]).rejected
    sink.close()
    with engine.connect() as conn:
        exposures = negatives.count_exposures(conn, WEEK)
        policy = ExtractPolicy()
        found = extract_negatives(negatives.read_signals(conn, WEEK, policy.candidate_signals), policy, WEEK)
    day = found["occurred_at"].dt.strftime("%Y-%m-%d")
    members = found.assign(
        pattern_id=found["prompt_version"],
        is_inferred=False,
        exposure_key=day + "|" + found["session_key"],
        standing=1.0,
        is_new=False,
    )
    per_version = exposures.groupby("prompt_version")["n_exposures"].sum()
    counted: Counted = {}
    for version, n_exposures in per_version.items():
        (row,) = prioritise_patterns(members[members["pattern_id"] == version], n_exposures).to_dict("records")
        counted[str(version)] = (row["affected"], row["exposures"], row["rate"])
    return counted


def test_rates_of_sampled_capture_are_those_of_full_capture_within_their_intervals(engine: Engine) -> None:
    """Through the sink and the loop's code; the truth is full capture of the same traffic, counted in memory."""
    events = make_traffic(seed=7, n_sessions=4_000)
    lines = list(sampled(events, SamplingPolicy(rate=0.2, n_first_of_user=10), SALT))
    kept = sum(b'"type":"interaction"' in line for line in lines)
    assert kept < 0.6 * sum(record["type"] == "interaction" for _, record in events)
    found = count(engine, lines)
    truth = full_capture(events)
    for version in ("v1", "v2"):
        affected, exposures, rate = found[version]
        real_affected, real_exposures, real_rate = truth[version]
        # What is seen only by chance weighs 5: their number is binomial, variance 1 / rate - 1 each.
        assert abs(exposures - real_exposures) < 4 * np.sqrt(4 * real_exposures)
        assert abs(affected - real_affected) < 4 * np.sqrt(4 * real_affected)
        assert abs(rate / real_rate - 1) < 0.35
    assert found["v2"][2] > 1.3 * found["v1"][2]


def full_capture(events: list[Event]) -> Counted:
    """Sessions per day and version, and those of them with a complaint of this week, by counting."""
    records = [finished(event) for event in events]
    complained = {r["interaction_id"] for r in records if r["type"] == "feedback" and r["occurred_at"] < "2026-01-12"}
    seen: dict[str, set[str]] = defaultdict(set)
    affected: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record["type"] == "interaction":
            key = record["occurred_at"][:10] + record["session_id"]
            seen[record["prompt_version"]].add(key)
            if record["interaction_id"] in complained:
                affected[record["prompt_version"]].add(key)
    return {v: (float(len(affected[v])), float(len(seen[v])), len(affected[v]) / len(seen[v])) for v in seen}
