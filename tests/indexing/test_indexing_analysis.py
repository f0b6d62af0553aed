"""Text becomes terms that meet whichever way a word is written."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.indexing.analysis import (
    Analyzer,
    detect_language,
    terms,
)
from ragkit.indexing.languages import LANGUAGES, guess_language


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("keys", "Key", "en"),
        ("ＦＵＬＬ ｗｉｄｔｈ", "full width", "en"),
        ("ﬁle", "file", "en"),
        ("co\u00adoperate", "cooperate", "en"),
        ("résumés", "resume", "en"),
        ("Zürich", "ZURICH", "en"),
        ("Straßen", "STRASSE", "de"),
        ("Schlüssel", "schlu\u0308ssel", "de"),
        ("l’hôpital", "hopitaux", "fr"),
        ("dell'acqua", "acqua", "it"),
        ("canción", "canciones", "es"),
        ("l’home", "homes", "ca"),
        ("kitapları", "KİTAP", "tr"),
        ("școlile", "şcoli", "ro"),
        ("κλειδιά", "κλειδί", "el"),
        ("ключами", "Ключ", "en"),
        ("key's", "keys’", "en"),
        ("don’t", "dont", "en"),
        ("e-mail", "email e mail", "en"),
        ("max_tokens", "maxTokens", "en"),
        ("max-tokens", "MAX_TOKENS", "en"),
        ("v1.0.21", "1.0.21", "en"),
        ("DNAs", "dna", "en"),
        ("٢٠٢٤", "2024", "en"),
        ("ｶﾞｲﾄﾞ", "ガイド", "en"),
    ],
)
def test_ways_to_write_a_word_meet(one: str, other: str, language: str) -> None:
    """Case, width, accents, endings, apostrophes and separators do not part a word from itself."""
    assert terms(one, language) == terms(other, language)
    assert terms(one, language)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("getUserId2", ["getuserid2", "get", "user", "id", "2"]),
        ("RNAi of mviN", ["rnai", "of", "mvin", "mvi"]),
        ("parseURLs", ["parseurl", "pars", "url"]),
        ("1.0.21", ["1.0.21", "1", "0", "21"]),
        ("state-of-the-art", ["state", "of", "the", "art"]),
        ("os.path", ["ospath", "os", "path"]),
        ("C++ and C#", ["c++", "c", "and", "c#", "c"]),
        ("O'Reilly", ["oreilli", "reilli"]),
        ("sha256", ["sha256"]),
        ("北京大学", ["北京", "京大", "大学", "北", "京", "大", "学"]),
        ("水", ["水"]),
        ("서울에서", ["서울", "울에", "에서"]),
        ("ไทย", ["ไท", "ทย", "ไทย"]),
        ("ไท", ["ไท"]),
        ("key東京", ["key", "東京", "東", "京"]),
        ("हिन्दी", ["हिन्द"]),
        ("Nguyễn", ["nguyen"]),
        ("🙂 —— (!)", []),
        ("", []),
    ],
)
def test_terms_of_a_text(text: str, expected: list[str]) -> None:
    """Identifiers come whole and in parts, scripts without blanks as pairs, signs not at all."""
    assert terms(text) == expected


def test_tones_tell_words_apart_and_may_be_left_out() -> None:
    """Vietnamese is found with its marks, and without them too."""
    assert terms("má mạ", "vi") == ["má", "ma", "mạ", "ma"]
    assert terms("ma", "vi") == ["ma"]


def test_a_word_too_long_is_found_as_a_whole_only() -> None:
    """Data without blanks becomes one short term, that of its very self."""
    (term,) = terms("A" * 5000)
    assert len(term) <= 64
    assert terms("a" * 5000) == [term]
    assert terms("a" * 5001) != [term]
    assert all(len(made) <= 64 for made in terms("é" * 300 + " " + "x" * 1_000_000))


@settings(deadline=None, max_examples=200)
@given(text=st.text(max_size=200), language=st.sampled_from([*LANGUAGES, "xx"]))
def test_any_text_gives_clean_terms(text: str, language: str) -> None:
    """No text breaks the analysis; terms are short, not empty, without blanks, and repeatable."""
    made = Analyzer(language).terms(text)
    assert all(term and len(term) <= 200 and not any(c.isspace() for c in term) for term in made)
    assert made == terms(text, language)
    # What is in a text can be asked for.


def test_no_text_makes_the_analysis_slow() -> None:
    """A quarter of a megabyte of any pattern takes well under a second and a half."""
    for pattern in ("a.", "a-'", "é\u0301", "漢", "aB", "_", "'", "\u0301", "a+", "1.", "ก"):
        text = (pattern * 2**18)[: 2**18]
        start = time.process_time()
        terms(text)
        assert time.process_time() - start < 1.5, pattern


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The keys are rotated by the operator once in a year.", "en"),
        ("Die Schlüssel werden vom Betreiber einmal im Jahr gewechselt.", "de"),
        ("Les clés sont changées par l'exploitant une fois dans l'année.", "fr"),
        ("Las llaves son cambiadas por el operador una vez en el año.", "es"),
        ("Le chiavi sono cambiate dal gestore una volta nel corso di un anno.", "it"),
        ("As chaves são trocadas pelo operador uma vez em cada ano.", "pt"),
        ("De sleutels worden door de beheerder een keer in het jaar gewisseld.", "nl"),
        ("Nycklarna byts ut av operatören en gång om året och inte oftare.", "sv"),
        ("Nøglerne bliver skiftet af operatøren en gang om året og ikke oftere.", "da"),
        ("Cheile sunt schimbate o dată pe an, iar codurile vechi nu mai pot fi folosite.", "ro"),
        ("Anahtarlar operatör tarafından yılda bir kez değiştirilir ve kayda geçer.", "tr"),
        ("Avaimet vaihdetaan kerran vuodessa, eikä niitä voida enää käyttää.", "fi"),
        ("A kulcsokat az üzemeltető évente egyszer cseréli, és nem lehet használni.", "hu"),
        ("Klucze są wymieniane raz w roku, a stare kody nie mogą być już używane.", "pl"),
        ("Klíče jsou vyměňovány jednou za rok a staré kódy již nelze použít.", "cs"),
        ("Les claus són canviades per l'operador una vegada a l'any.", "ca"),
        ("Kunci diganti oleh operator setahun sekali dan tidak dapat digunakan lagi.", "id"),
        ("Các khóa được thay đổi mỗi năm một lần và mã cũ không còn dùng được.", "vi"),
        ("Τα κλειδιά αλλάζουν μία φορά τον χρόνο.", "el"),
        ("Ключи меняются раз в год, см. RFC 4880.", "ru"),
        ("चाबियाँ साल में एक बार बदली जाती हैं।", "hi"),
        ("المفاتيح تتغير مرة واحدة في السنة.", "ar"),
        ("המפתחות מוחלפים פעם בשנה.", "he"),
        ("กุญแจถูกเปลี่ยนปีละครั้ง", "th"),
        ("鍵は年に一度交換されます。", "ja"),
        ("열쇠는 일년에 한 번 교체됩니다.", "ko"),
        ("北京大学", "zh"),
        ("the α and the β of one thing", "en"),
        ("rotate keys quickly", "en"),
        ("for i in a: a = i or e", "en"),
        ("", "en"),
    ],
)
def test_languages_are_told_apart(text: str, language: str) -> None:
    """A sentence is enough; where nothing speaks for a language it is English."""
    assert detect_language(text) == language


def test_a_tie_is_no_guess() -> None:
    """Words common in two languages alike decide for neither."""
    assert guess_language("in die in die", ("de", "en")) == "de"
    assert guess_language("in was in was", ("de", "en")) is None
