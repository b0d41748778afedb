"""Names of people that a cue gives away: "my name is ...", "Dear ...", a sign-off, a title. Standard library only.

Belongs here: the cues and what a name looks like after one. Does not belong here: names without a cue, which only a
language model finds (`ner.py`), and everything else that is personal.

A name is one to four words with a capital letter, particles such as `van` and `bin` between them, none of them a word
that follows these cues otherwise ("Dear Customer", "I'm Dutch, ..."). Writing in lower case is believed after the
plainest cues only, and only where it ends the clause. Linear in the length of the text.
"""

import re
from dataclasses import dataclass

PERSON = "<person>"

_LETTER = r"[^\W\d_]"
_WORD = re.compile(
    rf"(?:{_LETTER}{{1,2}}\.(?=[ ]?{_LETTER})|{_LETTER}(?:{_LETTER}|['’\-](?={_LETTER})){{0,29}}+(?![\w@]|\.\w))"
)
_GAP = re.compile(r"[ ]{1,2}|(?<=\.)")
_CLAUSE_END = re.compile(r"(?i)\s{0,2}(?:[,;!?)\"\n]|\.(?!\w)|\Z|(?:and|but|i|i'm|from|at|my|here|speaking|calling)\b)")
_LINE_END = re.compile(r"[ \t]{0,9}[.,!]?[ \t]{0,9}(?:[\r\n]|\Z)")
_GREETED = re.compile(r"[ ]?(?:[,!:.\r\n]|\Z|[-–—] )")
_PRESENTED = re.compile(r"(?i),|[ ](?:calling|writing|from|and i\b)")
_SPEAKING = re.compile(r"(?i),?[ ](?:speaking|calling|writing|here\b|from)")
_ANYTHING = re.compile("")
_MOST_WORDS = 4

_PARTICLES = frozenset(
    "de da di do dos das del della der den van von zu bin ibn al el la le af av ten ter".split()  # noqa: SIM905
)
_NOT_NAMES = frozenset(
    """
    a about account admin again agent ai all also am american an and any anyone app are as assistant at australian back
    bank be been best bill billing board both boss bot british bro brother but buddy by canadian card care cheers
    chinese christian claude colleague colleagues committee community company concerned could customer customers dad
    day dear delivery department dev developer developers did do doctor does dr dutch editor english every everybody
    everyone evening family fellow finally folks for french friday friend friends from german glad good great greek
    guys happy has have hello help her here hey hi him hiring his hope how however human i if in incorrect indian
    information interested is israeli it italian its japanese jewish just kind korean ladies last let listed look
    looking lord love ma madam madame maintenance man manager many master maybe me mexican miss missing mom monday
    morning mother mr mrs ms mum muslim my name new no not now of ok okay on one or order other our please policy
    polish portuguese privacy prof professor re ready really recruiter refund regards request russian saturday security
    seller sir sirs sister so some someone sorry spanish spelled staff sunday support sure swedish system team
    technical thank thanks that the their them then there these they this those thursday to today tuesday turkish
    ukrainian unknown us user users valued very was we wednesday well what when where which who why will with world
    would wrong yes you your
    """.split()  # noqa: SIM905 (a list of words)
)
_NOT_AFTER_NAME_IS = ("ed", "ing", "ly")  # "my name is misspelled"


@dataclass(frozen=True)
class _Cue:
    """What gives a name away.

    Attributes:
        words: one of them is in the text, in lower case, or the pattern cannot match.
        pattern: what stands before the name.
        after: what must stand behind it.
        min_words: of the name.
        is_plain: so plain a cue that a name in lower or upper case is believed.
    """

    words: frozenset[str]
    pattern: re.Pattern[str]
    after: re.Pattern[str] = _ANYTHING
    min_words: int = 1
    is_plain: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OWN = r"(?:(?:full|first|last|maiden|middle|birth|real)[ ])?"
_KIN = (
    "kid|son|daughter|child|wife|husband|partner|mother|father|mom|mum|dad|brother|sister|girlfriend|boyfriend"
    "|fiancé|fiancée|fiance|fiancee"
)
_CUES = (
    _Cue(
        _words("name name’s call calls called llamo nombre nome appelle heiße heisse chiamo"),
        re.compile(
            rf"(?i)(?<!\w)(?:(?:my|his|her|their|partner's|whose)[ ]{_OWN}name(?:'s|’s|[ ]is|:)|the[ ]name's"
            r"|(?:calls?|called)[ ]me|je[ ]m'appelle|me[ ]llamo|(?:mi|meu)[ ](?:nombre|nome)[ ](?:es|é)"
            r"|ich[ ]hei(?:ß|ss)e|mein[ ]name[ ]ist|mi[ ]chiamo|(?:last|first|your|full)[ ]name\?"
            r"|name[ ]on[ ]the[ ]account(?:[ ]is|[?:])(?:[ ]user:)?)\s{1,3}"
        ),
        is_plain=True,
    ),
    _Cue(
        _words("name"),
        re.compile(rf"(?im)^[ \t>]{{0,9}}{_OWN}(?:(?:customer|contact)[ ])?name:[ \t]{{1,9}}"),
        _LINE_END,
    ),
    _Cue(
        _words("holder accountholder cardholder policyholder attn contact signed passenger patient recipient guest"),
        re.compile(
            r"(?i)(?<!\w)(?:(?:account|card|policy)[ ]?holder(?:'s[ ]name)?(?:[ ]is|:)"
            r"|(?:attn|contact|passenger|patient|recipient|guest|signed(?:[ ]by)?):?)[ ]{1,2}"
        ),
        _LINE_END,
        min_words=2,
    ),
    _Cue(
        _words("dear hi hello hey morning afternoon evening"),
        re.compile(
            r"(?i)(?:\A|[\n\r.!?:;>\"'(])\s{0,3}"
            r"(?:dear|hi|hello|hey|good[ ](?:morning|afternoon|evening))(?:[ ]there)?,?[ ]{1,2}"
        ),
        _GREETED,
    ),
    _Cue(
        _words("regards sincerely faithfully truly cheers thanks thank best greetings wishes love cordialement saludos")
        | _words("saluti gruß grüße grüßen gruss grüsse grüssen"),
        re.compile(
            r"(?i)(?<!\w)(?:regards|sincerely|faithfully|truly|cheers|thanks(?:[ ]again)?|thank[ ]you|best|greetings"
            r"|wishes|love|gr(?:üße?n?|üsse?n?|uß|uss)|cordialement|saludos|saluti)"
            r"(?:[,.!]{0,3}[ \t]{0,3}\r?\n\s{0,9}|,[ ])(?:[-–—~][ ]?)?"
        ),
        _LINE_END,
    ),
    _Cue(
        _words("mr mrs ms mx dr prof professor herr frau señor señora monsieur madame mme"),
        re.compile(
            r"(?<!\w)(?:[Mm](?:rs?|s|x)\.|M(?:rs?|s|x)|[Dd]r\.|Dr|Prof(?:essor|\.)?|Herr|Frau|Señora?|Monsieur|Madame|Mme)"
            r"[ ]{1,2}(?:[Dd]r\.?[ ])?"
        ),
    ),
    _Cue(_words("speaking calling writing here from"), re.compile(r"(?i)(?<!\w)this[ ]is[ ]"), _SPEAKING),
    _Cue(_words("i i’m"), re.compile(r"(?i)(?<!\w)i(?:'m|’m|[ ]am)[ ]"), _PRESENTED),
    _Cue(_words(_KIN.replace("|", " ")), re.compile(rf"(?i)(?<!\w)(?:my|his|her|our)[ ](?:{_KIN})[ ]")),
)


CUE_WORDS = frozenset[str]().union(*(cue.words for cue in _CUES))
"""Without one of these, in lower case, a text has no cue."""


def redact_names(text: str, words: frozenset[str]) -> str:
    """Replace by `<person>` what cues say is a name; the cues stay.

    Args:
        text: any.
        words: of the text, in lower case and without signs; others may be among them.
    """
    for cue in _CUES:
        if not words.isdisjoint(cue.words):
            text = _replace_after(cue, text)
    return text


def _replace_after(cue: _Cue, text: str) -> str:
    pieces: list[str] = []
    done = 0
    for found in cue.pattern.finditer(text):
        start = found.end()
        if start >= done and (end := _name_end(cue, text, start)) is not None:
            pieces += (text[done:start], PERSON)
            done = end
    return "".join(pieces) + text[done:] if pieces else text


def _name_end(cue: _Cue, text: str, start: int) -> int | None:
    """Where the name that starts here ends; None where there is none."""
    n_words, end, position = 0, start, start
    while n_words < _MOST_WORDS and (word := _WORD.match(text, position)):
        if word[0].lower() in _PARTICLES and not word[0].isupper() and (n_words or cue.is_plain):
            pass  # counts once a name follows
        elif _is_name(word[0], cue.is_plain):
            n_words, end = n_words + 1, word.end()
        else:
            break
        gap = _GAP.match(text, word.end())
        if gap is None:
            break
        position = gap.end()
    if n_words >= cue.min_words and cue.after.match(text, end):
        return end
    return _lower_case_end(text, start) if cue.is_plain and not n_words else None


def _is_name(word: str, may_be_upper: bool) -> bool:
    core = word.rstrip(".")
    if not core[0].isupper() or core.lower().removesuffix("'s") in _NOT_NAMES:
        return False
    return may_be_upper or len(core) == 1 or not core.isupper()


def _lower_case_end(text: str, start: int) -> int | None:
    """One or two words in lower case that end the clause; None where they are no name."""
    end = start
    for _ in range(2):
        word = _WORD.match(text, end)
        if word is None or word[0].lower() in _NOT_NAMES or word[0].endswith(_NOT_AFTER_NAME_IS) or len(word[0]) < 3:
            return None
        if _CLAUSE_END.match(text, word.end()):
            return word.end()
        gap = _GAP.match(text, word.end())
        if gap is None:
            return None
        end = gap.end()
    return None
