"""What is shown of a week is what was found in it: counts that add up, quotes that hide nothing."""

import base64
import io
from collections.abc import Mapping

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from feedback_loop.clients.embeddings import EmbeddingPolicy, create_embedder
from feedback_loop.cluster import GroupJudgement, WeekPatterns
from feedback_loop.defs.week_map import WeekView, ids_are_stable, week_metadata
from feedback_loop.records import MEMBERSHIPS
from feedback_loop_tests.store.test_patterns import state

ENCODER = create_embedder(EmbeddingPolicy())
NOBODY = MEMBERSHIPS.check(pd.DataFrame(columns=list(MEMBERSHIPS.columns)))
HIDDEN = "broken\u200b link \u202eetihw\u202c\n<b>now</b>"


def view(owners: Mapping[str, str | None], inferred: str = "", application: str = "shop", text: str = "") -> WeekView:
    """Events by id with their pattern, None for unassigned; those in `inferred` said nothing."""
    ids = list(owners)
    events = pd.DataFrame(
        {
            "interaction_id": pd.Series(ids, dtype="str"),
            "is_inferred": [i in inferred.split() for i in ids],
            "failure_text": [f"failure number {i}" for i in ids],
            "comments": [[text or f"comment of {i}"] if n % 2 else [] for n, i in enumerate(ids)],
            "description": [text or f"description of {i}" for i in ids],
        }
    )
    members = [(i, p, 1 - n / 1000, i in inferred.split()) for n, (i, p) in enumerate(owners.items()) if p]
    frame = pd.DataFrame(members, columns=list(MEMBERSHIPS.columns))
    states = tuple(state(p, name=f"name of {p}") for p in sorted({p for p in owners.values() if p}))
    found = WeekPatterns(
        states, MEMBERSHIPS.check(frame), ("p1",), (), (GroupJudgement("p1", "new", None, "gate", "r"),)
    )
    return WeekView(application, events, found, found.memberships)


WEEK = {"a": "p1", "b": "p1", "c": "p2", "d": "p2", "e": "p2", "f": None, "g": None}


def test_numbers_are_counts_of_the_week_and_add_up() -> None:
    shown = week_metadata([view(WEEK, inferred="d e g"), view({"x": "p9", "y": None}, application="other")], ENCODER)
    assert (shown["members"], shown["members_inferred"], shown["unassigned"]) == (6, 2, 3)
    assert shown["unassigned_share"] == pytest.approx(2 / 6)  # f and y, of a b c f x y
    assert (shown["patterns_known"], shown["patterns_new"], shown["judged_by_gate"]) == (3, 2, 2)
    assert (shown["patterns_candidate"], shown["patterns_dormant"], shown["patterns_regressed"]) == (0, 0, 0)


def test_a_week_of_nobody_has_no_share_and_no_picture() -> None:
    for views in ([], [view({})], [view({"a": None}, inferred="a")]):
        shown = week_metadata(views, ENCODER)
        assert "unassigned_share" not in shown
        assert (shown["map"].value, shown["examples"].value) == ("none", "none")


def test_the_largest_are_those_that_most_people_spoke_of() -> None:
    assert view(WEEK).largest() == ["p2", "p1"]
    assert view(WEEK, inferred="d e").largest() == ["p1", "p2"]
    many = {f"i{n}": f"p{n % 12}" for n in range(30)}
    assert len(view(many).largest()) == 10


def test_examples_quote_members_who_said_something_nearest_first() -> None:
    frame = view(WEEK, inferred="c").examples()
    assert frame["pattern"].tolist() == ["name of p1", "name of p2"]
    assert frame["members"].tolist() == [2, 2]
    assert frame.iloc[0, 4:6].tolist() == ["description of a", "comment of b"]
    assert frame.iloc[1, 4:6].tolist() == ["comment of d", "description of e"]
    assert frame["quote 3"].isna().all()


def test_what_hides_is_not_shown() -> None:
    metadata = week_metadata([view(WEEK, text=HIDDEN)], ENCODER)
    (first, *_) = metadata["examples"].records
    assert first.data["quote 1"] == "broken link etihw <b>now</b>"  # a cell of the UI is text


def test_no_more_than_three_applications_are_drawn_the_ones_with_most_events() -> None:
    views = [view({f"i{n}": "p1" for n in range(1 + size)}, application=f"app{size}") for size in range(5)]
    metadata = week_metadata(views, ENCODER)
    assert metadata["map"].value.count("data:image/png") == 3
    assert {record.data["application"] for record in metadata["examples"].records} == {"app4", "app3", "app2"}


def test_a_picture_of_any_week_fits_and_shows_the_same_events_in_any_order() -> None:
    owners = {f"i{n}": f"p{n % 15}" if n % 4 else None for n in range(5000)}
    one = view(owners)
    shuffled = WeekView(one.application, one.events.sample(frac=1, random_state=1), one.found, one.again)
    texts = [v.picture(ENCODER) for v in (one, shuffled)]
    assert texts[0].startswith("**shop**: 2,000 of 5,000 events")
    assert all(len(text) < 60_500 for text in texts)
    images = [np.asarray(Image.open(io.BytesIO(base64.b64decode(t.split("base64,")[1][:-1])))) for t in texts]
    assert images[0].shape == images[1].shape
    marked = view({"a": "p1"}, application="[x](http://evil.example) <img>")
    assert "](http" not in marked.picture(ENCODER)


def evaluate(*pairs: tuple[dict[str, str | None], dict[str, str | None]]) -> dg.AssetCheckResult:
    views = [view(first) for first, _ in pairs]
    again = [view(second).found.memberships for _, second in pairs]
    return ids_are_stable([WeekView(v.application, v.events, v.found, a) for v, a in zip(views, again, strict=True)])


def test_stability_is_the_share_of_members_with_the_same_id() -> None:
    moved = WEEK | {"a": "p2", "b": None, "f": "p1"}  # f was no member before
    result = evaluate((WEEK, moved), (WEEK, WEEK))
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert result.description == "80.0% of 10 members are in the same pattern with another seed"


@pytest.mark.parametrize(("n_moved", "passes"), [(0, True), (2, True), (3, False), (10, False)])
def test_less_than_four_fifths_are_a_warning(n_moved: int, passes: bool) -> None:
    first: dict[str, str | None] = {f"i{n}": "p1" for n in range(10)}
    result = evaluate((first, first | {f"i{n}": "p2" for n in range(n_moved)}))
    assert result.passed is passes
    assert result.metadata["n_compared"].value == 10
    assert result.metadata["share"].value == pytest.approx(1 - n_moved / 10)


def test_without_members_there_is_no_share() -> None:
    result = ids_are_stable([WeekView("shop", view({}).events, view({}).found, NOBODY)])
    assert result.passed
    assert list(result.metadata) == ["n_compared"]
