"""The cache of vectors, on a real database; and the pinned model."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from feedback_loop.errors import ConfigurationError
from feedback_loop.llm import Vectors
from feedback_loop.store.vectors import (
    as_stored,
    check_embedding,
    load_vectors,
    pin_embedding,
    pinned_embedding,
    save_vectors,
    text_hash,
)

TEXTS = ["wrong language", "ends mid-sentence", "", "NUL \0 and tab \t", "\u200b", "ünï 日本 🙂", "lone \ud800"]
HASHES = [text_hash(said) for said in TEXTS]


def some_vectors(n: int, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, 256)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def test_what_is_saved_comes_back_as_rounded_and_only_for_its_own_version(engine: Engine) -> None:
    vectors = some_vectors(len(TEXTS))
    with engine.begin() as conn:
        assert save_vectors(conn, "model-1", HASHES, vectors) == len(TEXTS)
        found = load_vectors(conn, "model-1", [*HASHES, HASHES[0], text_hash("never seen")])
        assert load_vectors(conn, "model-2", HASHES) == {}
    assert set(found) == set(HASHES)
    assert np.array_equal(np.stack([found[key] for key in HASHES]), as_stored(vectors))
    assert found[HASHES[0]].dtype == np.float32
    assert np.abs(as_stored(vectors) @ vectors.T - vectors @ vectors.T).max() < 2e-4


def test_bytes_lie_as_float16_little_endian(engine: Engine) -> None:
    with engine.begin() as conn:
        save_vectors(conn, "m", HASHES[:1], np.array([[1.0, -2.0]], dtype=np.float32))
        stored = conn.execute(text("SELECT text_hash, vector FROM feedback_loop.text_vectors")).one()
    assert bytes(stored.text_hash) == HASHES[0]
    assert bytes(stored.vector) == b"\x00\x3c\x00\xc0"


def test_saving_again_keeps_what_is_there(engine: Engine) -> None:
    first, second = some_vectors(len(TEXTS)), some_vectors(len(TEXTS), seed=1)
    with engine.begin() as conn:
        save_vectors(conn, "m", HASHES[:3], first[:3])
        assert save_vectors(conn, "m", HASHES, second) == len(TEXTS) - 3
        found = load_vectors(conn, "m", HASHES)
    assert np.array_equal(found[HASHES[0]], as_stored(first)[0])
    assert np.array_equal(found[HASHES[-1]], as_stored(second)[-1])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(picks=st.lists(st.integers(0, len(TEXTS) - 1), max_size=20))
def test_repeats_and_any_order_are_one_row_per_text(engine: Engine, picks: list[int]) -> None:
    vectors = some_vectors(len(TEXTS))
    with engine.connect() as conn:  # rolled back after every example
        n_new = save_vectors(conn, "m", [HASHES[pick] for pick in picks], vectors[picks])
        found = load_vectors(conn, "m", HASHES)
    assert n_new == len(found) == len(set(picks))
    assert all(np.array_equal(found[HASHES[pick]], as_stored(vectors)[pick]) for pick in picks)


def test_writers_at_once_neither_fail_nor_double(engine: Engine) -> None:
    hashes = [text_hash(f"text {n}") for n in range(6_000)]  # more than one block
    vectors = some_vectors(len(hashes))
    start, failures = threading.Barrier(3), []

    def write(order: int) -> None:
        chosen = np.random.default_rng(order).permutation(len(hashes))
        start.wait()
        try:
            with engine.begin() as conn:
                save_vectors(conn, "m", [hashes[k] for k in chosen], vectors[chosen])
        except Exception as error:  # whatever it is, the test says so
            failures.append(error)

    writers = [threading.Thread(target=write, args=(order,)) for order in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    with engine.connect() as conn:
        found = load_vectors(conn, "m", hashes)
    assert np.array_equal(np.stack([found[key] for key in hashes]), as_stored(vectors))


def test_vectors_that_are_none_are_refused(engine: Engine) -> None:
    with engine.connect() as conn:
        with pytest.raises(ValueError, match="embedding m is not finite"):
            save_vectors(conn, "m", HASHES[:1], np.array([[np.nan]], dtype=np.float32))
        with pytest.raises(ValueError, match="2 hashes for 1 vectors"):
            save_vectors(conn, "m", HASHES[:2], some_vectors(1))


def test_a_text_has_one_hash_everywhere() -> None:
    assert text_hash("abc").hex() == "ba7816bf8f01cfea414140de5dae2223"  # FIPS 180-2, appendix B.1
    assert len(set(HASHES)) == len(TEXTS)


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def test_the_first_run_pins_its_model(conn: Connection) -> None:
    assert pinned_embedding(conn) is None
    assert check_embedding(conn, "model-1", accept_change=False) is False
    assert pinned_embedding(conn) == "model-1"
    assert check_embedding(conn, "model-1", accept_change=False) is False


def test_another_model_is_refused_with_both_names_and_the_way_out(conn: Connection) -> None:
    pin_embedding(conn, "model-1")
    with pytest.raises(ConfigurationError) as refused:
        check_embedding(conn, "model-2", accept_change=False)
    for said in ("model-1", "model-2", "embedding.accept_change", "pending"):
        assert said in str(refused.value)
    assert pinned_embedding(conn) == "model-1"


def test_an_accepted_change_is_made_once(conn: Connection) -> None:
    pin_embedding(conn, "model-1")
    assert check_embedding(conn, "model-2", accept_change=True) is True
    assert check_embedding(conn, "model-2", accept_change=True) is False
    with pytest.raises(ConfigurationError, match="model-1"):
        check_embedding(conn, "model-1", accept_change=False)
