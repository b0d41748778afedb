"""`feedback-loop forget` and `feedback-loop privacy`: a person's wishes, and the key that hashes their ids.

Belongs here: arguments, confirmation, what is printed. Does not belong here: where a person's data is
(`store/forgetting.py`), refusing records (`intake/storing.py`), hashing (`redaction`). Ids are hashed at once and never
stored or printed.
"""

import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from feedback_loop.decisions_cli import as_json_option
from feedback_loop.environment import Environment, read_environment
from feedback_loop.errors import ConfigurationError

_HASHED = re.compile(r"hmac:([0-9a-f]{32})\Z")


def _hash(user: str, key: bytes) -> str:
    """The hash that stands for a person: of their id, or the one that an application sent (`hmac:...`)."""
    from feedback_loop.redaction import hash_user

    known = _HASHED.match(user)
    if known is None and user.startswith("hmac:"):
        raise click.BadParameter(f"a hashed id is hmac: and 32 hexadecimal digits in lower case, got {user!r}")
    return known[1] if known else hash_user(user, key)


@click.command()
@click.option("--user", required=True, help="The person's id, as your application sends it.")
@click.option("--opt-out", "also_opt_out", is_flag=True, help="Take no records of theirs from now on, either.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json_option
def forget(user: str, also_opt_out: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete a person everywhere: what they did, what they said, and what was made of it.

    One transaction; doing it again finds nothing. Patterns keep their ids and counts: another member's words take the
    place of theirs. What a tracker holds is not changed: tickets that quoted them are listed.
    """
    from feedback_loop.identity import load_hash_key
    from feedback_loop.store import forgetting, opt_outs
    from feedback_loop.store.engine import open_database
    from feedback_loop.store.installation import check_hash_key

    environment = read_environment()
    key = load_hash_key(environment)
    if not (dry_run or yes):
        click.confirm("Delete everything of this person? It cannot be undone", abort=True, err=True)
    with open_database(environment) as engine, engine.connect() as conn, conn.begin() as transaction:
        check_hash_key(conn, key)
        found = forgetting.forget(conn, _hash(user, key))
        if also_opt_out:
            opt_outs.opt_out(conn, _hash(user, key), datetime.now(UTC))  # noqa: TID251 (it is now)
        if dry_run:
            transaction.rollback()
    if as_json:
        click.echo(json.dumps(asdict(found) | {"dry_run": dry_run}, indent=2))
    else:
        _print_forgotten(found.n_deleted, found.n_cleaned, found.tickets, dry_run)


def _print_forgotten(deleted: dict[str, int], cleaned: dict[str, int], tickets: list[str], dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    for numbers, what in ((deleted, "deleted"), (cleaned, "cleaned of their words")):
        for table, n in numbers.items():
            if n:
                click.echo(f"{table}: {n:,} {would}{what}")
    if not any((*deleted.values(), *cleaned.values())):
        click.echo("nothing is known of this person")
    for name in tickets:
        click.secho(f"ticket {name} quoted them: remove it from the tracker by hand", fg="yellow", err=True)


@click.group()
def privacy() -> None:
    """People who opt out, and the key that hashes user ids."""


@privacy.command("opt-out")
@click.argument("user")
@click.option("--undo", is_flag=True, help="Take their records again.")
def opt_out(user: str, undo: bool) -> None:
    """Store no records of USER from now on; `feedback-loop forget` deletes what is there.

    Refused records are counted as rejected, without their content.
    """
    from feedback_loop.identity import load_hash_key
    from feedback_loop.store import opt_outs
    from feedback_loop.store.engine import open_database
    from feedback_loop.store.installation import check_hash_key

    environment = read_environment()
    key = load_hash_key(environment)
    with open_database(environment) as engine, engine.begin() as conn:
        check_hash_key(conn, key)
        if undo:
            is_new = opt_outs.opt_in(conn, _hash(user, key))
            click.echo("their records are taken again" if is_new else "they had not opted out")
        else:
            is_new = opt_outs.opt_out(conn, _hash(user, key), datetime.now(UTC))  # noqa: TID251 (it is now)
            click.echo("opted out" if is_new else "they had opted out before")


@privacy.command("rotate-key")
@click.option(
    "--old-key-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The secret that ids were hashed with so far.",
)
@click.option(
    "--users-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ids, one a line: these people stay one person, and stay opted out.",
)
def rotate_key(old_key_file: Path, users_file: Path | None) -> None:
    """Go on with another key: set it as FEEDBACK_LOOP_HASH_KEY (or in user_hash.key) first, then run this once.

    A hash cannot be turned back into an id. People of the users file get their new hash everywhere; all others count as
    new people from now on, and those of them who opted out must opt out again.
    """
    from feedback_loop.identity import load_hash_key
    from feedback_loop.redaction import hash_user
    from feedback_loop.store import opt_outs
    from feedback_loop.store.engine import open_database
    from feedback_loop.store.installation import change_hash_key, rehash_users

    environment = read_environment()
    old, new = _old_key(environment, old_key_file), load_hash_key(environment)
    users = users_file.read_text(encoding="utf-8").splitlines() if users_file else []
    hashes = {hash_user(user, old): hash_user(user, new) for user in users if user}
    with open_database(environment) as engine, engine.begin() as conn:
        change_hash_key(conn, old, new)
        n_rows, n_left = rehash_users(conn, hashes), opt_outs.clear_others(conn, hashes.values())
    click.echo(f"the key is changed; {n_rows:,} rows of {len(hashes):,} people have their new hash")
    if n_left:
        click.secho(
            f"{n_left:,} people who opted out are not in the users file: opt them out again", fg="yellow", err=True
        )


def _old_key(environment: Environment, path: Path) -> bytes:
    from feedback_loop.identity import load_hash_key

    try:
        secret = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the key file {path} cannot be read: {error}") from error
    return load_hash_key(replace(environment, hash_key=secret))
