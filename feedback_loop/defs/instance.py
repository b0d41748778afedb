"""Dagster's instance: its home directory and its storage.

Belongs here: DAGSTER_HOME, the one variable `dagster.yaml` reads, and the first start of the storage. Does not belong
here: what runs (`definitions.py`) and how (`runs.py`).
"""

import os
from importlib.resources import files

import sqlalchemy as sa
from dagster import DagsterInstance
from sqlalchemy import Engine

from feedback_loop.environment import Environment, export
from feedback_loop.store.engine import create_engine, dagster_url, ensure_dagster_schema

STATEMENT_TIMEOUT_MS = 60_000
_LOCK = 0x64616773746572  # any constant of our own: one first start at a time, across processes


def prepare_dagster_home(environment: Environment, engine: Engine) -> str:
    """Write `dagster.yaml` into the home that the product's own runs use and export what it needs.

    Afterwards this process and its children, `dagster dev` among them, find the instance through DAGSTER_HOME and
    FEEDBACK_LOOP_DAGSTER_URL.

    Args:
        environment: what the surroundings say.
        engine: on the product's database; Dagster's storage lies beside it, unless the environment names another.

    Returns:
        The URL of Dagster's storage, password and all.
    """
    if environment.database_url and not environment.dagster_url:
        ensure_dagster_schema(engine)
    url = dagster_url(environment, engine.url).render_as_string(hide_password=False)
    home = environment.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    new = home / f"dagster.yaml.{os.getpid()}"
    new.write_text((files("feedback_loop") / "dagster.yaml").read_text())
    new.replace(home / "dagster.yaml")
    export({"DAGSTER_HOME": str(home), "FEEDBACK_LOOP_DAGSTER_URL": url})
    return url


def open_instance(environment: Environment, engine: Engine) -> DagsterInstance:
    """The instance of the product's own runs, its storage created where missing; use it in a `with`.

    Raises:
        ConfigurationError: the login to Dagster's storage is refused.
        DatabaseUnavailable: Dagster's storage cannot be reached.
    """
    storage = create_engine(prepare_dagster_home(environment, engine), poolclass=sa.NullPool)
    # Several first starts at once would create the same tables; the others wait here for the first.
    with storage.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        instance = DagsterInstance.from_config(str(environment.dagster_home))
    # Dagster connects anew for every query (150 times per run) unless told to hold its connections.
    instance.optimize_for_webserver(statement_timeout=STATEMENT_TIMEOUT_MS, pool_recycle=3600, max_overflow=20)
    return instance
