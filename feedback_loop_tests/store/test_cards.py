"""Cards are replaced per week, and the week's states say what they say."""

import pandas as pd
from sqlalchemy import Engine

from feedback_loop.llm.analyst import Findings
from feedback_loop.naming import carry_card, quoted_pattern, write_cards
from feedback_loop.records import PLACEMENTS, Detector
from feedback_loop.store import cards, patterns
from feedback_loop_tests.factories import APPLICATION, W1, W2, W3
from feedback_loop_tests.test_naming import CARD, a_state


def test_cards_are_kept_and_carried_by_the_states(engine: Engine) -> None:
    state = a_state()
    (card,) = write_cards([state], [quoted_pattern(state, {})], Findings({"p1": CARD}))
    nobody = PLACEMENTS.check(pd.DataFrame(columns=list(PLACEMENTS.columns)))
    with engine.begin() as conn:
        detector = Detector("d", "e", "o", (state,))
        patterns.save_week(conn, APPLICATION, W2, [state], nobody, detector, "policy")
        for _ in range(2):
            cards.save_cards(conn, APPLICATION, W2, [card], [carry_card(state, card)])
        assert cards.load_cards(conn, APPLICATION, W2) == [card]
        assert patterns.load_states(conn, APPLICATION, W2) == [carry_card(state, card)]
        assert cards.load_model_cards(conn, APPLICATION, before=W3) == {"p1": card}
        assert cards.load_model_cards(conn, APPLICATION, before=W2) == {}
        cards.save_cards(conn, APPLICATION, W2, [], [])
        assert cards.load_cards(conn, APPLICATION, W2) == []


def test_words_come_from_the_newest_description_up_to_the_week(engine: Engine) -> None:
    insert = (
        "insert into feedback_loop.failure_descriptions (application, week, interaction_id, description, evidence, "
        "is_inferred, describer_version) values (%s, %s, 'i1', %s, 'comment', false, 'v')"
    )
    with engine.begin() as conn:
        for week, text in ((W1, "first"), (W2, "second"), (W3, "later")):
            conn.exec_driver_sql(insert, (APPLICATION, week, text))
        assert cards.descriptions_of(conn, APPLICATION, W2, ["i1", "i2"]) == {"i1": "second"}
