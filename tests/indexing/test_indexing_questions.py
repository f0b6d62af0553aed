"""What a question asks of the word index."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.indexing.analysis import terms
from ragkit.indexing.languages import LANGUAGES, stop_words
from ragkit.indexing.questions import Question, query_phrases, query_terms


def test_common_words_are_asked_for_only_when_there_are_no_others() -> None:
    """A question of common words alone keeps them all; any other drops them."""
    assert query_terms("how are the keys rotated", ["en"]) == ["key", "rotat"]
    assert query_terms("who is who", ["en"]) == ["who", "is"]
    assert "the" in stop_words("en")


def test_a_question_reaches_every_language() -> None:
    """To an index of two languages a question is put in both, without its own common words."""
    asked = query_terms("wie werden die Bestellungen geprüft", ["de", "en"])
    assert {"bestell", "gepruft"} <= set(asked)
    assert not {"die", "wie", "werden"} & set(asked)
    assert set(query_terms("what is the rotation", ["de", "en"])) == {"rotation", "rotat"}


def test_a_question_is_a_quotation_from_four_words_on() -> None:
    """Whole from 4 words, in halves from 10, never beyond 64; common words keep their places."""
    assert query_phrases("how it works", ["en"]) == {}
    assert query_phrases("How it all works!", ["en"]) == {("how", "it", "all", "work"): 4}
    words = query_phrases("one two three four five six seven eight nine ten", ["en"])
    ten = list(words)
    assert [len(phrase) for phrase in ten] == list(words.values()) == [10, 5, 5]
    assert ten[0] == ten[1] + ten[2]
    assert query_phrases("so " * 65, ["en"]) == {}
    assert len(query_phrases("die Schlüssel der Stationen", ["de", "en"])) == 2


def test_parts_of_a_name_count_half_and_letters_a_quarter() -> None:
    """A name is asked for as a whole first; what stands in many passages by chance counts less."""
    assert Question.of("what does maxTokens limit", ["en"]).weights == {
        "maxtoken": 1.0,
        "max": 0.5,
        "token": 0.5,
        "limit": 1.0,
    }
    assert Question.of("vitamin C", ["en"]).weights == {"vitamin": 1.0, "c": 0.25}
    assert Question.of("state-of-the-art", ["en"]).weights["art"] == 1.0


def test_a_word_is_one_however_many_terms_it_has() -> None:
    """The terms of a word stand together, in every language; pairs of characters are no words."""
    asked = Question.of("maxTokens der Rotation", ["de", "en"])
    assert asked.words == (("maxtok", "max", "tok", "maxtoken", "token"), ("rotation", "rotat"))
    assert Question.of("北京大学 rank", ["en"]).words == (("rank",),)


def test_what_is_in_every_passage_counts_less() -> None:
    """Pairs of letters beside threes, pairs of hiragana, Chinese characters of grammar."""
    assert Question.of("ไทย", ["th"]).weights == {"ไท": 0.3, "ทย": 0.3, "ไทย": 1.0}
    assert Question.of("東京です", ["ja"]).weights["です"] == 0.5
    asked = Question.of("大学的", ["zh"]).weights
    assert (asked, Question.of("的", ["zh"]).weights) == (
        {"大学": 1.0, "学的": 1.0, "大": 1.0, "学": 1.0},
        {"的": 1.0},
    )


@settings(deadline=None, max_examples=60)
@given(
    text=st.text(max_size=60), languages=st.lists(st.sampled_from(sorted(LANGUAGES)), max_size=3)
)
def test_a_question_asks_for_what_its_text_would_be_found_by(
    text: str, languages: list[str]
) -> None:
    """Whatever the text, its terms are terms of the text in one of the languages."""
    asked = Question.of(text, languages)
    known = {term for code in languages or ["en"] for term in terms(text, code)}
    assert set(asked.weights) <= known
    assert bool(asked.weights) == bool(known)
    assert all(0 < weight <= 1 for weight in asked.weights.values())
