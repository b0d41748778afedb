"""The Dagster definitions: everything the loop runs, put together.

Belongs here: assembly. Does not belong here: assets, resources or schedules themselves (`defs/`).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from feedback_loop.config import load_settings
from feedback_loop.defs.assets import FACTS, WEEKLY_ASSETS
from feedback_loop.defs.checks import DAILY_CHECKS, WATCH_CHECKS, WEEKLY_CHECKS
from feedback_loop.defs.importing import build_sources
from feedback_loop.defs.resources import Alerts, AnalystResource, Database, EmbedderResource, TrackerResource
from feedback_loop.defs.retention import RETENTION_ASSETS
from feedback_loop.defs.schedules import JOBS, SCHEDULES, SENSORS
from feedback_loop.defs.verification import DAILY_ASSETS, MONTHLY_ASSETS
from feedback_loop.environment import read_environment


def build_definitions(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions, with the settings that the environment names.

    Args:
        resource_overrides: replaces resources by name, for tests and other surroundings.
    """
    settings = load_settings(read_environment())
    resources: dict[str, Any] = {
        "settings": settings,
        "database": Database(),
        "embedder": EmbedderResource(),
        "analyst": AnalystResource(),
        "tracker": TrackerResource(),
        "alerts": Alerts(webhook=settings.alert_webhook),
    }
    owners = list(settings.owners)
    sources = build_sources(settings.sources, settings.privacy)
    every = [*sources.assets, *WEEKLY_ASSETS, *DAILY_ASSETS, *MONTHLY_ASSETS, *RETENTION_ASSETS]
    assets = dg.map_asset_specs(lambda spec: spec.replace_attributes(owners=owners), every)
    return dg.Definitions(
        assets=[*FACTS, *assets],
        asset_checks=[*WEEKLY_CHECKS, *DAILY_CHECKS, *WATCH_CHECKS],
        jobs=[*JOBS, *sources.jobs],
        schedules=[*SCHEDULES, *sources.schedules],
        sensors=SENSORS,
        resources=resources | dict(resource_overrides or {}),
    )


defs = build_definitions()
