"""The simulator keeps the import contract, its own plan, and its promise of determinism."""

import gzip
import hashlib
import json
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from feedback_loop.errors import ConfigurationError, InputError
from feedback_loop.intake.contract import parse
from feedback_loop.testing.simulator import Simulator, write_simulation
from feedback_loop.testing.simulator_plan import (
    COHORTS,
    FAILURES,
    REASON_CODES,
    PlantedFailure,
    SimulatedDeployment,
    SimulatorSettings,
    planned_deployments,
)
from feedback_loop.testing.simulator_report import count_by_week, is_negative
from feedback_loop_tests.testing.conftest import Record, Simulated

SMALL = SimulatorSettings(n_weeks=3, sessions_per_week=300)
BY_ID = {failure.failure_id: failure for failure in FAILURES}
WEEK = timedelta(weeks=1)


def digests(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


def read(path: Path) -> list[Record]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class TestDeterminism:
    def test_same_seed_same_bytes_other_seed_other_bytes(self, tmp_path: Path) -> None:
        for name, seed in (("a", 7), ("b", 7), ("c", 8)):
            write_simulation(tmp_path / name, SimulatorSettings(seed=seed, n_weeks=2, sessions_per_week=200))
        assert digests(tmp_path / "a") == digests(tmp_path / "b")
        assert not set(digests(tmp_path / "a").values()) & set(digests(tmp_path / "c").values())

    def test_string_hashing_has_no_influence(self, tmp_path: Path) -> None:
        code = (
            "import sys, pathlib\n"
            "from feedback_loop.testing.simulator import write_simulation\n"
            "from feedback_loop.testing.simulator_plan import SimulatorSettings\n"
            "write_simulation(pathlib.Path(sys.argv[1]), SimulatorSettings(n_weeks=2, sessions_per_week=200))\n"
        )
        for seed in ("1", "2"):
            subprocess.run([sys.executable, "-c", code, str(tmp_path / seed)], env={"PYTHONHASHSEED": seed}, check=True)
        assert digests(tmp_path / "1") == digests(tmp_path / "2")

    def test_a_deployment_changes_nothing_before_it(self) -> None:
        deployments = [SimulatedDeployment(SMALL.week_start(1), None, ("dead_link",))]
        with_fix, without = Simulator(SMALL), Simulator(SMALL)
        assert list(with_fix.week(0, deployments)) == list(without.week(0))
        assert list(with_fix.week(1, deployments)) != list(without.week(1))


class TestStepping:
    def test_weeks_come_in_order_and_end(self) -> None:
        simulator = Simulator(SMALL)
        with pytest.raises(InputError, match="week 1 asked for, but week 0 of 3"):
            simulator.week(1)
        for index in range(3):
            simulator.week(index)
        with pytest.raises(InputError, match="week 3"):
            simulator.week(3)

    def test_an_attempt_beyond_the_plan_is_refused(self) -> None:
        deployments = [SimulatedDeployment(SMALL.week_start(0), None, ("times_out",))]
        with pytest.raises(InputError, match="no attempt at 'times_out'"):
            Simulator(SMALL).week(0, deployments)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"first_week": date(2026, 1, 6)}, "not a Monday"),
            ({"n_weeks": 0}, "n_weeks"),
            ({"sessions_per_week": 0}, "sessions_per_week"),
            ({"seed": -1}, "seed"),
            ({"growth": 3.0}, "growth"),
        ],
    )
    def test_senseless_settings_are_named(self, arguments: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigurationError, match=message):
            SimulatorSettings(**arguments)  # type: ignore[arg-type]

    def test_the_smallest_world_works(self) -> None:
        simulator = Simulator(SimulatorSettings(n_weeks=8, sessions_per_week=1))
        assert sum(len(list(simulator.week(index))) for index in range(8)) > 0


class TestContract:
    def test_every_written_record_is_accepted_by_the_import(self, tmp_path: Path) -> None:
        write_simulation(tmp_path, SimulatorSettings(n_weeks=4, sessions_per_week=500))
        kinds: Counter[str] = Counter()
        for path in sorted(tmp_path.glob("week-*.jsonl.gz")):
            with gzip.open(path) as lines:
                kinds.update(type(parse(line)).__name__ for line in lines)
        assert set(kinds) == {"Interaction", "Feedback", "Deployment"}

    def test_ids_are_unique_and_feedback_points_to_an_earlier_interaction(self, simulated: Simulated) -> None:
        asked_at = {r["interaction_id"]: r["occurred_at"] for r in simulated.records("interaction")}
        feedback = simulated.records("feedback")
        assert len(asked_at) == len(simulated.records("interaction"))
        assert len({r["feedback_id"] for r in feedback}) == len(feedback)
        assert all(r["occurred_at"] >= asked_at[r["interaction_id"]] for r in feedback)

    def test_turns_of_a_session_count_up_in_time(self, simulated: Simulated) -> None:
        last: dict[str, int] = {}
        for record in simulated.records("interaction"):
            assert record["turn"] == last.get(record["session_id"], 0) + 1
            last[record["session_id"]] = record["turn"]
        assert set(last.values()) == {1, 2, 3}

    def test_reasons_and_values(self, simulated: Simulated) -> None:
        feedback = simulated.records("feedback")
        assert {r["reason"] for r in feedback if "reason" in r} == set(REASON_CODES)
        assert {r["value"] for r in feedback if r["signal"] == "rating"} == {1, 2, 4, 5}
        assert all("edited_output" in r for r in feedback if r["signal"] in ("edited", "correction"))


class TestWeeks:
    def test_records_lie_in_their_week_in_time_order(self, simulated: Simulated) -> None:
        for index, week in enumerate(simulated.weeks):
            times = [datetime.fromisoformat(record["occurred_at"]) for record in week]
            assert times == sorted(times)
            assert simulated.settings.week_start(index) <= times[0]
            assert times[-1] < simulated.settings.week_start(index + 1)

    def test_feedback_comes_late_into_later_weeks(self, simulated: Simulated) -> None:
        week_of = {
            r["interaction_id"]: index
            for index, week in enumerate(simulated.weeks)
            for r in week
            if r["type"] == "interaction"
        }
        lags = Counter(
            index - week_of[r["interaction_id"]]
            for index, week in enumerate(simulated.weeks)
            for r in week
            if r["type"] == "feedback" and r["signal"] == "thumbs_down"
        )
        assert lags.total() * 0.05 < lags[1] < lags.total() * 0.25
        assert lags[2] > 0

    def test_three_of_five_explicit_complaints_come_within_an_hour(self, simulated: Simulated) -> None:
        asked_at = {r["interaction_id"]: r["occurred_at"] for r in simulated.records("interaction")}
        delays = [
            datetime.fromisoformat(r["occurred_at"]) - datetime.fromisoformat(asked_at[r["interaction_id"]])
            for r in simulated.records("feedback")
            if r["signal"] == "report"
        ]
        assert 0.55 < sum(delay <= timedelta(hours=1) for delay in delays) / len(delays) < 0.65

    def test_traffic_grows_and_rests_at_the_weekend(self, simulated: Simulated) -> None:
        sizes = [sum(r["type"] == "interaction" for r in week) for week in simulated.weeks]
        assert 1.15 < sizes[11] / sizes[0] < 1.33
        days = Counter(r["occurred_at"][:10] for r in simulated.weeks[3] if r["type"] == "interaction")
        assert days["2026-02-01"] < 0.6 * days["2026-01-26"]

    def test_size_of_the_demo(self, simulated: Simulated) -> None:
        assert 110_000 <= len(simulated.records("interaction")) <= 150_000
        assert 48_000 <= len(simulated.records("feedback")) <= 60_000


def rates(simulated: Simulated, failure: PlantedFailure, spans: list[tuple[datetime, datetime]]) -> list[float]:
    """Share of the interactions of each span that failed this way, by the interactions' own time."""
    failed = [0] * len(spans)
    total = [0] * len(spans)
    texts = [(f"{start:%Y-%m-%dT%H:%M}", f"{end:%Y-%m-%dT%H:%M}") for start, end in spans]
    for record in simulated.records("interaction"):
        for place, (start, end) in enumerate(texts):
            if start <= record["occurred_at"] < end:
                total[place] += 1
                failed[place] += simulated.failed.get(record["interaction_id"]) == failure.failure_id
    return [n / of for n, of in zip(failed, total, strict=True)]


class TestPlantedRates:
    @pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.failure_id)
    def test_rate_before_the_first_fix_is_the_planned_one(self, simulated: Simulated, failure: PlantedFailure) -> None:
        settings = simulated.settings
        start = settings.week_start(failure.starts_in_week)
        fixed = [d for d in planned_deployments(settings) if failure.failure_id in d.planted_failures]
        end = (fixed[0].canary_at or fixed[0].deployed_at) if fixed else settings.week_start(settings.n_weeks)
        tolerance = 0.15 if failure.rate > 0.01 else 0.3  # small ones happen a few hundred times
        assert rates(simulated, failure, [(start, end)])[0] == pytest.approx(failure.rate, rel=tolerance)
        if failure.starts_in_week:
            assert rates(simulated, failure, [(settings.week_start(0), start)]) == [0.0]

    @pytest.mark.parametrize("failure", [f for f in FAILURES if f.attempts], ids=lambda failure: failure.failure_id)
    def test_each_attempt_does_what_is_planned(self, simulated: Simulated, failure: PlantedFailure) -> None:
        settings = simulated.settings
        fixes = [d for d in planned_deployments(settings) if failure.failure_id in d.planted_failures]
        assert len(fixes) == len(failure.attempts)
        start = settings.week_start(failure.starts_in_week)
        ends = [d.canary_at or d.deployed_at for d in fixes[1:]] + [settings.week_start(settings.n_weeks)]
        before = rates(simulated, failure, [(start, fixes[0].canary_at or fixes[0].deployed_at)])[0]
        for effect, fix, end in zip(failure.attempts, fixes, ends, strict=True):
            if effect.returns_after_days is not None:
                back = fix.deployed_at + timedelta(days=effect.returns_after_days)
                assert rates(simulated, failure, [(back, end)])[0] == pytest.approx(before, rel=0.2)
                end = back
            after = rates(simulated, failure, [(fix.deployed_at, end)])[0]
            assert after / before == pytest.approx(1 - effect.cut, abs=0.12 if effect.cut < 0.9 else 0.06)

    def test_the_plan_has_every_kind_of_fate_and_cause(self) -> None:
        assert 12 <= len(FAILURES) <= 14
        assert min(Counter(failure.cause for failure in FAILURES).values()) >= 3
        fates = Counter(failure.fate for failure in FAILURES)
        assert fates["halves"] == fates["nothing"] == fates["regresses"] == 1
        assert fates["unfixed"] >= 2
        assert {failure.starts_in_week for failure in FAILURES} >= {0, 2, 3, 4, 5}

    def test_failures_that_must_be_verified_are_complained_about_often_enough(self, simulated: Simulated) -> None:
        """At least 500 interactions with a comment, a reason or an edit in the 14 days up to the first fix."""
        counts = count_by_week(simulated.weeks, simulated.failed, with_words=True)
        for failure in FAILURES:
            if failure.fate in ("works", "nothing") and failure.failure_id != "wrong_country":
                full_weeks = counts[failure.starts_in_week : failure.starts_in_week + 2]
                fix = next(
                    d for d in planned_deployments(simulated.settings) if failure.failure_id in d.planted_failures
                )
                days = min(14, (fix.deployed_at - simulated.settings.week_start(failure.starts_in_week)).days)
                per_14_days = sum(week[failure.failure_id] for week in full_weeks) * 14 / days
                assert per_14_days >= 500, failure.failure_id


class TestReleases:
    def test_each_prompt_version_serves_more_than_14_days(self, simulated: Simulated) -> None:
        releases = [d.deployed_at for d in planned_deployments(simulated.settings) if d.prompt_version]
        assert len(releases) == 2
        starts = [simulated.settings.week_start(0), *releases]
        assert all(later - earlier > timedelta(days=14) for earlier, later in pairwise(starts))

    def test_a_fifth_of_the_sessions_is_on_the_canary(self, simulated: Simulated) -> None:
        release = next(d for d in planned_deployments(simulated.settings) if d.prompt_version == "2")
        assert release.canary_at is not None
        start, end = (f"{at:%Y-%m-%dT%H:%M}" for at in (release.canary_at, release.deployed_at))
        interactions = simulated.records("interaction")
        ramp = Counter(r["prompt_version"] for r in interactions if start <= r["occurred_at"] < end)
        assert 0.12 < ramp["2"] / ramp.total() < 0.28
        # A session stays on the version it started with: nobody changes in the middle of it.
        versions: dict[str, set[str]] = {}
        for record in interactions:
            versions.setdefault(record["session_id"], set()).add(record["prompt_version"])
        assert all(len(seen) == 1 for seen in versions.values())


class TestPeople:
    def test_cohorts_answer_differently_and_one_is_sampled(self, simulated: Simulated) -> None:
        cohort_of = {r["interaction_id"]: r["cohort"] for r in simulated.records("interaction")}
        assert {(r["cohort"], r["sample_rate"]) for r in simulated.records("interaction")} == {
            (cohort.name, cohort.sample_rate) for cohort in COHORTS
        }
        liked = Counter(
            cohort_of[r["interaction_id"]] for r in simulated.records("feedback") if r["signal"] == "thumbs_up"
        )
        shown = Counter(cohort_of[r["interaction_id"]] for r in simulated.records("feedback") if r["signal"] == "shown")
        assert liked["business"] / shown["business"] > 1.5 * liked["consumer"] / shown["consumer"]

    def test_activity_is_heavy_tailed(self, simulated: Simulated) -> None:
        users = Counter(r["user_id"] for r in simulated.records("interaction") if "user_id" in r)
        busiest = sum(n for _, n in users.most_common(len(users) // 10))
        assert busiest > 0.4 * users.total()
        assert users.most_common(1)[0][1] < 0.02 * users.total()

    def test_spam_and_noise_are_in_the_truth(self, simulated: Simulated) -> None:
        truth = simulated.truth
        spam, noise = set(truth["spam_interactions"]), set(truth["background_interactions"])
        assert not (spam | noise) & set(simulated.failed)
        complaints = {r["interaction_id"] for r in simulated.records("feedback") if is_negative(r)}
        assert 0.07 < len(noise & complaints) / len(complaints) < 0.12
        assert spam <= complaints
        by_spammers = [r for r in simulated.records("interaction") if r.get("user_id") in truth["spam_users"]]
        assert by_spammers
        assert {r["interaction_id"] for r in by_spammers} <= spam


class TestWriteSimulation:
    def test_files_truth_and_deployments_without_fixes(self, tmp_path: Path) -> None:
        reported: list[tuple[str, int]] = []
        settings = SimulatorSettings(n_weeks=4, sessions_per_week=200)
        counts = write_simulation(tmp_path / "new" / "out", settings, lambda name, n: reported.append((name, n)))
        files = sorted(path.name for path in (tmp_path / "new" / "out").iterdir())
        weeks = [f"week-{settings.first_week + n * WEEK}.jsonl.gz" for n in range(4)]
        assert files == ["truth.json", *weeks]
        assert reported == list(counts.items())
        records = [record for week in weeks for record in read(tmp_path / "new" / "out" / week)]
        assert len(records) == sum(counts.values())
        deployments = [record for record in records if record["type"] == "deployment"]
        assert [d["fixes"] for d in deployments] == [[]] * len(deployments)
        assert [(d["prompt_version"], d["rollout_share"]) for d in deployments if d.get("prompt_version") == "2"][
            :2
        ] == [
            ("2", 0.2),
            ("2", 1.0),
        ]
        assert len({d["deployment_id"] for d in deployments}) == len(deployments)

    def test_the_truth_stays_out_of_the_records(self, tmp_path: Path) -> None:
        write_simulation(tmp_path, SimulatorSettings(n_weeks=4, sessions_per_week=300))
        truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
        assert {f["failure_id"] for f in truth["failures"]} == set(BY_ID)
        assert set(truth["failed_interactions"].values()) <= set(BY_ID)
        text = "".join(gzip.decompress(path.read_bytes()).decode() for path in tmp_path.glob("*.gz"))
        assert not [failure_id for failure_id in set(BY_ID) - set(REASON_CODES) if failure_id in text]

    def test_a_directory_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(InputError, match="cannot write the simulation to"):
            write_simulation(tmp_path / "file" / "out", SMALL)
