"""Texts that try to be more than text: a corpus of real break-outs, and an alphabet to make others from."""

from hypothesis import strategies as st

from feedback_loop.documents import Bullets, Document, Heading, Link, Note, Paragraph, Quote, Text

OUR_LINK = "https://dagster.example.org/assets/patterns?x=[1|2]"

BREAK_OUTS = [
    "[click](javascript:alert(1))",
    "![x](https://evil.example/p.png)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "https://evil.example/login",
    "HTTPS://EVIL.EXAMPLE/",
    r"https:/\evil.example https:\/evil https:\\evil.example",
    "www.evil.example",
    "_WWW.evil.example 1https://evil.example",
    "evil.example/x and evil.com and bit.ly/x and //evil.com/x",
    "done.It evil.xn--p1ai evil。com",
    "mailto:x@evil.com x@evil.com",
    "red\x1b[31m \x1b]8;;https://evil.example\x07click",
    "pay\u202elap\u200b.example \u2066x\u2069",
    "@everyone look @team/all (@here) _@admin",
    "# Heading",
    "```\ncode\n```",
    "`code` ``x`",
    "**bold** _it_ ~~no~~",
    "| a | b |",
    "|| a || b ||",
    "---",
    "----",
    "===",
    "<!-- event deployed:x -->",
    "&lt;script&gt; &#123;code&#125;",
    "- item",
    "* item",
    "+ item",
    "1. item",
    "1) item",
    "> quote",
    "[ref]: http://evil.example",
    "[^1]: note",
    "x\n\n# Heading in a later line",
    "x\r\nh1. Heading",
    "x\u2028h1. Heading\u2029- item\x0b- item\x85- item",
    "x\n---\nstatus: done",
    "{code}x{code} {noformat}x{noformat} {quote}x{quote} {panel}x{panel}",
    "{color:red}x{color} {html}<b>x</b>{html} {include:x}",
    "{quote}",
    "\\{quote} \\\\{code}x{code} \\",
    "[~admin] [~accountid:5b10a2844c20165700ede21g]",
    "[text|https://evil.example] [https://evil.example] [^file.exe] [#anchor] [mailto:x@evil.com]",
    "!https://evil.example/p.png! !p.png|thumbnail! !x!",
    "*b* _i_ -s- +u+ ^x^ ~y~ ??cite?? {{mono}} {*}b{*}",
    "h1. Title",
    "bq. said",
    "a\\\\b \\\\server\\share",
    ":) :-) ;) :D :P :( (x) (/) (!) (?) (on) (y) (c) \\) :\\)",
    "KEY-123 ABC-1",
    "-- --- a--b",
    "$x^2$ %include%",
    "lone \ud800 and \udfff and \x00 and \ufffe",
    "😀 👍🏽 مرحبا بالعالم שלום",
    "",
    "   ",
]
LONG = ["x" * 40_000, "{quote}" * 6_000, "[a](http://b.com) " * 2_000]

_PIECES = [
    *"{}[]|!*_-+^~#@\\`<>&?():;.,/=%$\"' \n\t\u2028\u200b\u202e\ufeff\x00\ud800a1éع😀",
    *(
        "{code}",
        "{quote}",
        "[~",
        "h1. ",
        "bq. ",
        "http://",
        "www.",
        ".com",
        "evil",
        "mailto:",
        "KEY-1",
        "??",
        "||",
        "----",
    ),
    *(
        "{{",
        "}}",
        "](",
        "<b>",
        "-->",
        "&#123;",
        "@all",
        "1. ",
        "- ",
        "```",
        "\\\\",
        ":)",
        "(x)",
        "javascript:",
        "data:x",
    ),
]
TEXTS = (
    st.lists(st.sampled_from(_PIECES), max_size=25).map("".join) | st.text(max_size=40) | st.sampled_from(BREAK_OUTS)
)


def document_of(text: str) -> Document:
    """Every place that a text of users can stand in."""
    return (
        Heading(text),
        Paragraph((Text(text), Text(" said "), Text(text, "strong"), Text(" and "), Text(text, "em"), Text("."))),
        Quote(text),
        Bullets(((Text(text),), (Text("so: "), Text(text, "code"), Text(" there")))),
        Note((Text(text),)),
        Paragraph((Link(text, OUR_LINK), Text(" "), Link("x", text))),
        Quote("last"),
    )


PLAIN = "plain words"
