"""`feedback-loop serve` and `feedback-loop keys`: the ingest service and who may send to it.

Belongs here: arguments and what is printed. Does not belong here: the service (`intake/service/`) and keys
(`store/write_keys.py`).
"""

import logging
from datetime import UTC, datetime

import click

from feedback_loop.decisions_cli import application_option, as_json_option
from feedback_loop.environment import read_environment

EXAMPLES = """\b
Examples:
  feedback-loop keys create --application shop
  feedback-loop keys create --application shop --widget --origin https://shop.example.com
  feedback-loop keys revoke 3f9c0a51b2d4
"""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option(
    "--trust-proxy",
    default="127.0.0.1,::1",
    show_default=True,
    metavar="ADDRESS,...",
    help="Proxies that are believed who their client is.",
)
def serve(host: str, port: int, trust_proxy: str) -> None:
    """Take interactions, feedback and deployments over HTTP, and serve the feedback widget; Ctrl-C stops it.

    It speaks plain HTTP: put a proxy with TLS in front of it.
    """
    import uvicorn

    from feedback_loop.config import load_settings
    from feedback_loop.identity import load_hash_key
    from feedback_loop.intake.service.app import build_app
    from feedback_loop.redaction.ner import load_redactor
    from feedback_loop.store.engine import open_database

    environment = read_environment()
    settings = load_settings(environment)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    with open_database(environment) as engine:
        app = build_app(
            engine,
            hash_key=load_hash_key(environment),
            policy=settings.serve,
            redactor=load_redactor(settings.privacy),
            now=lambda: datetime.now(UTC),  # noqa: TID251 (the service lives now)
        )
        uvicorn.run(
            app,
            host=host,
            port=port,
            ws="none",
            lifespan="on",
            access_log=False,  # it would hold addresses and ids
            log_config=None,
            server_header=False,
            forwarded_allow_ips=trust_proxy,
            timeout_graceful_shutdown=10,
        )


@click.group(epilog=EXAMPLES)
def keys() -> None:
    """Make, list and revoke the keys with which facts are sent to `feedback-loop serve`."""


@keys.command()
@click.option("--application", required=True, help="That everything sent with the key is of.")
@click.option("--widget", is_flag=True, help="For pages: may only send feedback, and anybody may read it there.")
@click.option("--origin", multiple=True, metavar="ORIGIN", help="Of the pages, as https://app.example.com; repeatable.")
def create(application: str, widget: bool, origin: tuple[str, ...]) -> None:
    """Make a key, and show it this once."""
    from feedback_loop.store.engine import open_database
    from feedback_loop.store.write_keys import create_key

    with open_database(read_environment()) as engine, engine.begin() as conn:
        key = create_key(
            conn,
            application=application,
            kind="widget" if widget else "server",
            origins=origin,
            created_at=datetime.now(UTC),  # noqa: TID251 (a key is made now)
        )
    click.echo(key)
    click.echo("keep it: it is stored only as a hash and cannot be shown again", err=True)


@keys.command("list")
@application_option
@as_json_option
def list_all(application: str | None, as_json: bool) -> None:
    """List all keys, without their secrets."""
    from feedback_loop import terminal
    from feedback_loop.store.engine import open_database
    from feedback_loop.store.write_keys import list_keys

    with open_database(read_environment()) as engine, engine.connect() as conn:
        rows = list_keys(conn, application)
    if as_json:
        terminal.print_json(rows)
    else:
        terminal.print_rows(terminal.console(), "keys", [{**row, "origins": ", ".join(row["origins"])} for row in rows])


@keys.command()
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """Let a key count no longer, a few seconds from now."""
    from feedback_loop.store.engine import open_database
    from feedback_loop.store.write_keys import revoke_key

    with open_database(read_environment()) as engine, engine.begin() as conn:
        revoke_key(conn, key_id, datetime.now(UTC))  # noqa: TID251 (a key is revoked now)
    click.echo(f"revoked {key_id}")
