"""The command line, as a user meets it: help, errors and exit statuses, and the commands around the database."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from sqlalchemy import URL, text

import feedback_loop
from feedback_loop.store import schema
from feedback_loop.store.engine import create_engine
from feedback_loop.testing.anthropic_emulator import AnthropicEmulator

COMMAND = [sys.executable, "-m", "feedback_loop.cli"]


def run(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [*COMMAND, *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def test_help_is_quick_grouped_and_shows_examples(tmp_path: Path) -> None:
    start = time.monotonic()
    result = run(tmp_path, "--help")
    assert time.monotonic() - start < 2  # 0.1 s on an idle machine
    assert result.returncode == 0
    for words in ("Operate:", "Serve the Dagster UI", "Examples:", "feedback-loop demo"):
        assert words in result.stdout


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, feedback_loop.cli\n"
        "print(sorted({'dagster', 'sqlalchemy', 'pandas', 'numpy', 'rich', 'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stdout == "[]\n"


def test_version(tmp_path: Path) -> None:
    assert feedback_loop.__version__ in run(tmp_path, "--version").stdout


def test_wrong_usage_is_2(tmp_path: Path) -> None:
    assert run(tmp_path, "db", "nonsense").returncode == 2


def test_transient_error_is_one_message_and_75(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://u:hidden-word@127.0.0.1:{unused.getsockname()[1]}/d"
        result = run(tmp_path, "db", "upgrade", FEEDBACK_LOOP_DATABASE_URL=url)
        shown = run(tmp_path, "--traceback", "db", "upgrade", FEEDBACK_LOOP_DATABASE_URL=url)
    assert result.returncode == 75
    assert result.stderr.startswith("error: database d on 127.0.0.1:")
    assert "Traceback" not in result.stderr
    assert shown.returncode == 1
    assert "Traceback" in shown.stderr
    assert "hidden-word" not in result.stderr + shown.stderr


def test_permanent_error_is_1(tmp_path: Path) -> None:
    result = run(tmp_path, "db", "upgrade", FEEDBACK_LOOP_DATABASE_URL="mysql://u@h/d")
    assert result.returncode == 1
    assert result.stderr == "error: FEEDBACK_LOOP_DATABASE_URL names 'mysql'; only PostgreSQL is supported\n"


def test_newer_schema_is_said_and_left_alone(tmp_path: Path, database_url: URL) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(f"update feedback_loop.{schema.VERSION_TABLE} set version_num = '9999'"))
    engine.dispose()
    url = database_url.render_as_string(hide_password=False)
    upgrade = run(tmp_path, "db", "upgrade", FEEDBACK_LOOP_DATABASE_URL=url)
    assert (upgrade.returncode, upgrade.stderr[:36]) == (1, "error: the database has schema 9999,")
    doctor = run(tmp_path, "doctor", "--json", FEEDBACK_LOOP_DATABASE_URL=url)
    assert doctor.returncode == 1
    assert [check["name"] for check in json.loads(doctor.stdout) if not check["is_ok"]] == ["schema"]


def test_embedded_database_from_nothing(short_dir: Path) -> None:
    assert "none yet" in run(short_dir, "doctor").stdout
    newest = schema.revisions()[-1]
    assert run(short_dir, "db", "upgrade").stdout == f"schema (none) -> {newest}\n"
    assert run(short_dir, "db", "upgrade").stdout == f"schema {newest}: nothing to do\n"
    result = run(short_dir, "doctor")
    assert (result.returncode, result.stdout.count("ok  "), result.stderr) == (0, 11, "")
    url = run(short_dir, "db", "url").stdout
    assert url.startswith("postgresql://postgres@/feedback_loop?host=")
    assert not (short_dir / ".feedback_loop" / "postgres" / "data" / "postmaster.pid").exists()


@pytest.mark.parametrize(
    ("key", "card_model", "says"),
    [
        ("", "claude-haiku-5-5", "FAIL  analyst: analyst: claude needs the environment variable ANTHROPIC_API_KEY"),
        ("sk-ant-wrong", "claude-haiku-5-5", "because of the key: HTTP 401"),
        ("sk-ant-test", "claude-nonsense", "HTTP 404 not_found_error: model: claude-nonsense"),
        ("sk-ant-test", "claude-haiku-5-5", "ok    analyst: claude-haiku-5-5; $1 per application and week"),
    ],
)
def test_doctor_asks_whether_key_and_models_are_good(tmp_path: Path, key: str, card_model: str, says: str) -> None:
    (tmp_path / "feedback_loop.yaml").write_text(f"analyst: {{analyst: claude, card_model: {card_model}}}\n")
    no_database = "postgresql://nobody@127.0.0.1:1/none"
    with AnthropicEmulator() as emulator:
        address = {"ANTHROPIC_API_KEY": key, "ANTHROPIC_BASE_URL": emulator.base_url}
        found = run(tmp_path, "doctor", FEEDBACK_LOOP_DATABASE_URL=no_database, **address)
        assert emulator.usage == []
    assert says in found.stdout
    assert "sk-ant" not in found.stdout + found.stderr


def test_dagster_url_of_ones_own_database_leads_to_its_own_schema(tmp_path: Path, database_url: URL) -> None:
    url = database_url.render_as_string(hide_password=False)
    printed = run(tmp_path, "db", "url", "--dagster", FEEDBACK_LOOP_DATABASE_URL=url).stdout.strip()
    engine = create_engine(printed)
    with engine.connect() as connection:
        assert connection.scalar(text("select current_schema()")) == "feedback_loop_dagster"
    engine.dispose()


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.exhaustive)])
def test_dev_serves_and_stops_everything(short_dir: Path, how: signal.Signals) -> None:
    (short_dir / "trivial_definitions.py").write_text("import dagster as dg\n\ndefs = dg.Definitions()\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = (
        "import sys\nfrom feedback_loop.defs.dev import run_dev\n"
        "from feedback_loop.environment import read_environment\n"
        f"sys.exit(run_dev(read_environment(), '127.0.0.1', {port}, 'trivial_definitions'))"
    )
    with (short_dir / "out").open("w") as output:
        # As a shell script's `&` would start it: deaf to SIGINT unless the program sees to it.
        process = subprocess.Popen(
            ["sh", "-c", f"trap '' INT; exec {sys.executable} -c \"$1\"", "sh", code],
            cwd=short_dir, env={**os.environ, "PYTHONPATH": str(short_dir)}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        wait_until_served(f"http://127.0.0.1:{port}/server_info", process)
        data = short_dir / ".feedback_loop" / "postgres" / "data"
        assert (data / "postmaster.pid").exists()
        assert still_running(str(short_dir))
        process.send_signal(how)
        assert process.wait(timeout=40) == 0, (short_dir / "out").read_text()
        assert not (data / "postmaster.pid").exists()
        assert not still_running(str(short_dir))
    finally:
        process.kill()


def wait_until_served(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert json.load(answer)["dagster_version"]
                return
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.3)


def still_running(directory: str) -> list[str]:
    import psutil

    own = []
    for process in psutil.process_iter(["cwd", "cmdline", "status"]):
        if process.info["cwd"] == directory and process.info["status"] != psutil.STATUS_ZOMBIE:
            own.append(" ".join(process.info["cmdline"]))
    return own
