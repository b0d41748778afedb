"""The definitions as Dagster loads them: complete, documented, in loop order, and on by default."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from feedback_loop.config import Settings
from feedback_loop.definitions import build_definitions, defs
from feedback_loop.defs.partitions import DAYS, WEEKS
from feedback_loop.defs.resources import Alerts
from feedback_loop.verify import FAMILIES

LOOP = [
    "exposures",
    "feedback_exclusions",
    "negative_feedback",
    "failure_descriptions",
    "failure_vectors",
    "failure_patterns",
    "pattern_cards",
    "pattern_segments",
    "pattern_weeks",
    "pattern_prospects",
    "tickets",
    "loop_metrics",
    "ticket_states",
    "fixes",
    "verifications",
    "regression_watches",
    "detector_audits",
    "ticket_updates",
]
MONTHLY = ["placebo_rates"]
GROUPS = ["capture", "clean", "extract", "describe", "cluster", "prioritise", "route", "metrics", "verify", "privacy"]
RETENTION = ["retention"]


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_they_can_be_loaded() -> None:
    dg.Definitions.validate_loadable(defs)
    dg.Definitions.validate_loadable(build_definitions({"alerts": Alerts(webhook="https://hook.example")}))


def test_every_asset_says_whose_it_is_and_what_it_holds(specs: dict[str, dg.AssetSpec]) -> None:
    assert {*LOOP, *MONTHLY, *RETENTION, "interactions", "feedback", "deployments"} == set(specs)
    for name, spec in specs.items():
        assert spec.kinds, name
        assert spec.group_name in GROUPS, name
        assert (spec.description or "").strip(), name
        assert spec.metadata["dagster/column_schema"].columns, name
        assert spec.metadata["dagster/relation_identifier"].startswith("feedback_loop."), name
    for name in LOOP + MONTHLY + RETENTION:
        assert list(specs[name].owners) == list(Settings().owners), name
        assert specs[name].code_version, name


def test_the_graph_is_the_loop(specs: dict[str, dg.AssetSpec]) -> None:
    depends = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()}
    assert depends["feedback_exclusions"] == {"interactions", "feedback"}
    assert depends["negative_feedback"] == {"interactions", "feedback", "feedback_exclusions"}
    assert depends["failure_vectors"] == {"failure_descriptions"}
    assert depends["failure_patterns"] == {"failure_vectors", "failure_patterns"}
    assert depends["tickets"] == depends["pattern_prospects"] == {"pattern_weeks"}
    assert depends["ticket_states"] == {"tickets"}
    assert depends["fixes"] == {"deployments", "ticket_states"}
    assert depends["verifications"] >= {"fixes"}
    assert depends["regression_watches"] == {"verifications"}
    assert depends["detector_audits"] == {"verifications"}
    assert depends["ticket_updates"] == {"verifications", "regression_watches", "detector_audits"}
    assert depends["placebo_rates"] == {"pattern_weeks"}
    position = {name: n for n, name in enumerate(LOOP)}
    for name in LOOP:
        assert all(position[other] <= position[name] for other in depends[name] if other in position)


def test_patterns_depend_on_the_week_before_only() -> None:
    asset = defs.resolve_asset_graph().get(dg.AssetKey("failure_patterns"))
    mapping = asset.partition_mappings[dg.AssetKey("failure_patterns")]
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    assert (mapping.start_offset, mapping.end_offset) == (-1, -1)


def test_weeks_are_mondays_utc_from_the_first_week_on() -> None:
    now = datetime(2026, 2, 4, 12, tzinfo=UTC)
    assert WEEKS.get_partition_keys(current_time=now) == ["2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26"]
    window = WEEKS.time_window_for_partition_key("2026-01-26")
    assert (window.start, window.end) == (datetime(2026, 1, 26, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC))
    assert DAYS.get_partition_keys(current_time=now)[0] == Settings().first_week.isoformat()
    assert DAYS.get_partition_keys(current_time=now)[-1] == "2026-02-03"


@pytest.mark.parametrize(
    ("name", "at", "partition", "cron"),
    [
        ("weekly_schedule", datetime(2026, 2, 2, 3, tzinfo=UTC), "2026-01-26", "0 3 * * 1"),
        ("verification_schedule", datetime(2026, 2, 4, 5, tzinfo=UTC), "2026-02-03", "0 5 * * *"),
        ("retention_schedule", datetime(2026, 2, 4, 6, tzinfo=UTC), "2026-02-03", "0 6 * * *"),
        ("watch_schedule", datetime(2026, 2, 4, 7, tzinfo=UTC), None, "0 7 * * *"),
    ],
)
def test_schedules_are_on_and_pick_what_has_just_ended(
    name: str, at: datetime, partition: str | None, cron: str
) -> None:
    schedule = defs.resolve_schedule_def(name)
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "UTC")
    keys = []
    for moment in (at, at + timedelta(seconds=40)):  # a tick that comes late means the same run
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_schedule_context(
                instance=instance, scheduled_execution_time=moment, repository_def=defs.get_repository_def()
            )
            (request,) = schedule.evaluate_tick(context).run_requests or []
        assert request.partition_key == partition
        keys.append(request.run_key)
    assert keys[0] == keys[1]


def test_the_sensor_is_on() -> None:
    assert defs.resolve_sensor_def("alert_on_failure").default_status == dg.DefaultSensorStatus.RUNNING


def test_jobs_hold_what_they_are_named_for() -> None:
    def steps(job: str) -> set[str]:
        return {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys}

    daily = LOOP.index("ticket_states")
    assert steps("weekly_loop") == set(LOOP[:daily])
    assert steps("daily_verification") == set(LOOP[daily:])
    assert steps("monthly_placebos") == set(MONTHLY)
    assert steps("daily_retention") == set(RETENTION)
    assert steps("daily_watch") == set()


def test_each_check_belongs_to_an_asset_that_exists(specs: dict[str, dg.AssetSpec]) -> None:
    keys = defs.resolve_asset_graph().asset_check_keys
    filed = [key.asset_key.to_user_string() for key in keys if key.name == "everything_filed"]
    assert sorted(filed) == ["ticket_updates", "tickets"]
    assert {key.name for key in keys} == {
        "everything_filed",
        "everything_read",
        "denominator_present",
        "feedback_arrived",
        "few_are_left_out",
        "no_late_facts",
        "members_and_unassigned_add_up",
        "unassigned_share",
        "no_gap_before_this_week",
        "no_verdict_without_exposures",
        "within_budget",
        "ids_are_stable",
        "last_week_has_run",
        "late_facts",
        "placebo_error_rate",
        *(f"guard_{family}" for family in FAMILIES),
    }
    assert {key.asset_key.to_user_string() for key in keys} <= set(specs)
