"""Jobs, schedules and the failure sensor: the loop runs by itself, and says so when it does not.

Belongs here: what runs together and when. Does not belong here: what runs (`assets.py`, `verification.py`).
"""

import dagster as dg

from feedback_loop.defs.assets import WEEKLY_ASSETS
from feedback_loop.defs.checks import WATCH_CHECKS
from feedback_loop.defs.partitions import DAYS, MONTHS, WEEKS
from feedback_loop.defs.resources import Alerts
from feedback_loop.defs.retention import RETENTION_ASSETS
from feedback_loop.defs.verification import DAILY_ASSETS, MONTHLY_ASSETS

# One process per run: starting one per step costs five times as much as the steps (reference: 30 s against 5).
_IN_PROCESS = dg.in_process_executor

weekly_loop = dg.define_asset_job(
    "weekly_loop",
    selection=dg.AssetSelection.assets(*WEEKLY_ASSETS) - dg.AssetSelection.checks(*WATCH_CHECKS),
    executor_def=_IN_PROCESS,
    description="Capture to tickets and metrics for one week.",
    tags={"dagster/max_retries": "1"},
)

daily_verification = dg.define_asset_job(
    "daily_verification",
    selection=dg.AssetSelection.assets(*DAILY_ASSETS),
    executor_def=_IN_PROCESS,
    description="Every look that is due at the end of a day, and what it does to its ticket.",
    tags={"dagster/max_retries": "1"},
)

monthly_placebos = dg.define_asset_job(
    "monthly_placebos",
    selection=dg.AssetSelection.assets(*MONTHLY_ASSETS),
    executor_def=_IN_PROCESS,
    description="How often fixes that never were would be called effective.",
    tags={"dagster/max_retries": "1"},
)

daily_watch = dg.define_asset_job(
    "daily_watch",
    selection=dg.AssetSelection.checks(*WATCH_CHECKS),
    executor_def=_IN_PROCESS,
    description="Did the last complete week run?",
)

daily_retention = dg.define_asset_job(
    "daily_retention",
    selection=dg.AssetSelection.assets(*RETENTION_ASSETS),
    executor_def=_IN_PROCESS,
    description="What is older than it may be kept is deleted.",
    tags={"dagster/max_retries": "1"},
)

RUNNING = dg.DefaultScheduleStatus.RUNNING


@dg.schedule(job=weekly_loop, cron_schedule="0 3 * * 1", execution_timezone="UTC", default_status=RUNNING)
def weekly_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Mondays at 03:00 UTC: the week that ended three hours ago."""
    week = WEEKS.get_partition_keys(current_time=context.scheduled_execution_time)[-1]
    return dg.RunRequest(run_key=f"week-{week}", partition_key=week)


@dg.schedule(job=daily_verification, cron_schedule="0 5 * * *", execution_timezone="UTC", default_status=RUNNING)
def verification_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every day at 05:00 UTC: fixes that matured by the end of the day before."""
    day = DAYS.get_partition_keys(current_time=context.scheduled_execution_time)[-1]
    return dg.RunRequest(run_key=f"day-{day}", partition_key=day)


@dg.schedule(job=monthly_placebos, cron_schedule="0 4 1 * *", execution_timezone="UTC", default_status=RUNNING)
def placebo_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """On the first of a month at 04:00 UTC: the month that ended four hours ago."""
    month = MONTHS.get_partition_keys(current_time=context.scheduled_execution_time)[-1]
    return dg.RunRequest(run_key=f"month-{month}", partition_key=month)


@dg.schedule(job=daily_watch, cron_schedule="0 7 * * *", execution_timezone="UTC", default_status=RUNNING)
def watch_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every day at 07:00 UTC: has the last complete week run?"""
    return dg.RunRequest(run_key=f"watch-{context.scheduled_execution_time:%Y-%m-%d}")


@dg.schedule(job=daily_retention, cron_schedule="0 6 * * *", execution_timezone="UTC", default_status=RUNNING)
def retention_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every day at 06:00 UTC, an hour after verdicts: what was past its time at the end of the day before."""
    day = DAYS.get_partition_keys(current_time=context.scheduled_execution_time)[-1]
    return dg.RunRequest(run_key=f"retention-{day}", partition_key=day)


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def alert_on_failure(context: dg.RunFailureSensorContext, alerts: Alerts) -> None:
    """A failed run is said out loud: in the log, and at the webhook where there is one."""
    run = context.dagster_run
    partition = run.tags.get("dagster/partition", "no partition")
    alerts.send(
        f"feedback-loop: run {run.run_id[:8]} of {run.job_name} ({partition}) failed: {context.failure_event.message}"
    )


JOBS = [weekly_loop, daily_verification, monthly_placebos, daily_watch, daily_retention]
SCHEDULES = [weekly_schedule, verification_schedule, placebo_schedule, watch_schedule, retention_schedule]
SENSORS = [alert_on_failure]
