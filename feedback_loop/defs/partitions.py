"""When things run: the weekly, daily and monthly partitions.

Belongs here: partition definitions and the windows they mean. Does not belong here: schedules (`schedules.py`).
"""

from datetime import date, timedelta

import dagster as dg

from feedback_loop.config import load_settings
from feedback_loop.environment import read_environment
from feedback_loop.records import Window

FIRST_WEEK = load_settings(read_environment()).first_week
"""Partitions are part of the definitions, so the settings file is read when these are loaded."""

WEEKS = dg.WeeklyPartitionsDefinition(start_date=FIRST_WEEK.isoformat(), day_offset=1, timezone="UTC")
DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_WEEK.isoformat(), timezone="UTC")
MONTHS = dg.MonthlyPartitionsDefinition(start_date=FIRST_WEEK.replace(day=1).isoformat(), timezone="UTC")

WEEK_BEFORE = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)


def week_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> date:
    """The Monday of the partition that is running."""
    return date.fromisoformat(context.partition_key)


def window_of(week: date) -> Window:
    """The week as a window."""
    return Window.of_week(week)


def recent_weeks(week: date, n_weeks: int) -> Window | None:
    """The `n_weeks` weeks before a week, from the first week on; None where there are none."""
    start = max(FIRST_WEEK, week - timedelta(days=7 * n_weeks))
    return Window(Window.of_week(start).start, Window.of_week(week).start) if start < week else None
