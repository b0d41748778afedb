"""Names and places without a cue, found by a language model that somebody installed: spaCy's named entities.

Belongs here: loading such a model, and which of its entities are replaced. Does not belong here: patterns and cues
(`deep.py`). Nothing is ever downloaded: a model is a package that is installed or is not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from feedback_loop.errors import ConfigurationError
from feedback_loop.redaction.deep import PATTERNS, Redactor
from feedback_loop.redaction.names import PERSON

LOCATION = "<location>"
_STANDS_FOR = {"PERSON": PERSON, "PER": PERSON, "GPE": LOCATION, "LOC": LOCATION, "FAC": LOCATION}
_CHUNK = 50_000  # characters that the model sees at once; its memory grows with them


@dataclass(frozen=True)
class PrivacyPolicy:
    """How personal data is looked for.

    Attributes:
        ner_model: an installed spaCy model that finds names and places, such as `en_core_web_sm`; None: cues only.
    """

    ner_model: str | None = None


def load_redactor(policy: PrivacyPolicy) -> Redactor:
    """What takes personal data out of texts.

    Raises:
        ConfigurationError: the model is not installed.
    """
    return PATTERNS if policy.ner_model is None else Redactor(load_names(policy.ner_model))


def load_names(model: str) -> Callable[[str], str]:
    """A function that replaces names by `<person>` and places by `<location>`, at some hundred texts a second.

    Raises:
        ConfigurationError: the model is not installed.
    """
    import spacy  # heavy: only where a model is asked for

    try:
        pipeline = spacy.load(model)
    except (OSError, ImportError) as error:
        raise ConfigurationError(
            f"privacy.ner_model names the spaCy model {model!r}, which is not installed here: install its package, or"
            " leave the setting out (names without a cue then stay)"
        ) from error
    return lambda text: _replace_entities(pipeline, text)


def _replace_entities(pipeline: Any, text: str) -> str:
    pieces: list[str] = []
    for start in range(0, len(text), _CHUNK):
        chunk, done = text[start : start + _CHUNK], 0
        for entity in pipeline(chunk).ents:
            placeholder = _STANDS_FOR.get(entity.label_)
            is_ours = (
                "<" in entity.text or ">" in entity.text or chunk[entity.start_char - 1 : entity.start_char] == "<"
            )
            if placeholder and not is_ours:
                pieces += (chunk[done : entity.start_char], placeholder)
                done = entity.end_char
        pieces.append(chunk[done:])
    return "".join(pieces)
