"""What is known of languages: their commonest words, and how to tell them apart by these."""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType

__all__ = ["DEFAULT_LANGUAGE", "LANGUAGES", "guess_language", "stop_words"]

DEFAULT_LANGUAGE = "en"

# Snowball's name of each language that is written in Latin script. Other scripts choose their
# stemmer by themselves.
LANGUAGES = MappingProxyType(
    {
        "da": "danish",
        "de": "german",
        "en": "english",
        "es": "spanish",
        "fr": "french",
        "it": "italian",
        "nl": "dutch",
        "no": "norwegian",
        "pt": "portuguese",
        "sv": "swedish",
    }
)

# Function words: articles, pronouns, prepositions, conjunctions, auxiliaries. A word that can be
# the subject of a search (can, may, will, not) stands here only where it is far more often grammar.
_STOP_WORDS = MappingProxyType(
    {
        "en": """
            a about above after again all also am an and any are as at be because been before being
            below between both but by can could did do does doing down during each few for from
            further had has have having he her here hers him his how i if in into is it its just me
            more most my no nor not of off on once only or other our out over own same she should so
            some such than that the their them then there these they this those through to too under
            until up very was we were what when where which while who whom why will with would you
            your""",
        "de": """
            aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim
            bin bis bist da damit dann das dass dem den denn der des die dies diese diesem diesen
            dieser dieses doch dort du durch ein eine einem einen einer eines er es etwas euch für
            gegen habe haben hat hatte hatten hier ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im
            in indem ins ist jede jedem jeden jeder jedes jene jetzt kann kein keine keinem keinen
            können könnte man mehr mein meine mich mir mit nach nicht noch nun nur ob oder ohne
            sehr sein seine seinem seinen seiner sich sie sind so solche soll sollte sondern über
            um und uns unser unter viel vom von vor während war waren warum was weil welche welchem
            welchen welcher welches wenn wer werde werden wie wieder wir wird wirst wo wurde wurden
            zu zum zur zwischen""",
        "fr": """
            ai alors après as au aucun aussi autre autres aux avait avant avec avez avoir avons car
            ce cela celle celles celui ces cet cette ceux chez comme comment dans de depuis des donc
            dont du elle elles en encore entre es est et étaient était été être eu eux fait il ils
            je la le les leur leurs lors lui ma mais me même mes moi mon ne ni nos notre nous on ont
            ou où par pas pendant peu peut plus pour pourquoi quand que quel quelle quelles quels
            qui sa sans se sera ses si sont sous soit son sur ta te tes toi ton tous tout toute
            toutes très tu un une vers vos votre vous y""",
        "es": """
            a al algo algunos ante antes aquel como con contra cual cuando de del desde donde dos
            durante e el él ella ellas ellos en entre era eran eres es esa esas ese eso esos esta
            está estaba estado están estas este esto estos fue fueron ha había han hasta hay la las
            le les lo los más me mi mis mucho muy nada ni no nos nosotros nuestra nuestro o os otra
            otro otros para pero poco por porque puede pueden qué que quien se sea ser si sí sido
            sin sobre son su sus también te tiene tienen todo todos tu tus un una uno unos y ya
            yo""",
        "it": """
            a ad agli ai al alla alle allo anche avere aveva c che chi ci cioè col come con contro
            cosa cui da dagli dai dal dalla dalle dallo degli dei del della delle dello dentro di
            dove due e è ed era erano essere fra gli ha hai hanno ho i il in io l la le lei li lo
            loro lui ma mi mio ne negli nei nel nella nelle nello no noi non nostro o ogni per
            perché però più poi può quale quali quando quanto quella quelle quelli quello questa
            queste questi questo qui se sei si sia sono sta stata stato su sua sue sugli sui sul
            sulla sulle suo suoi te ti tra tu tua tuo tutti tutto un una uno vi voi""",
        "pt": """
            a à ao aos aquela aquele aquilo as às até com como da das de dela dele deles depois do
            dos e é ela elas ele eles em entre era eram essa esse esta está estão estas estava este
            estes eu foi foram há isso isto já lhe lo mais mas me mesmo meu minha muito na não nas
            nem no nos nós nossa nosso num numa o os ou para pela pelas pelo pelos pode podem por
            porque qual quais quando que quem se sem ser seu seus são só sob sobre sua suas também
            te tem têm ter todo todos tu tua um uma uns você vocês""",
        "nl": """
            aan al alles als altijd andere ben bij daar dan dat de der deze die dit doch doen door
            dus een en er ge geen haar had heb hebben heeft hem het hier hij hoe hun iemand iets ik
            in is ja je kan kon kunnen maar me meer men met mij mijn moet na naar niet niets nog nu
            of om omdat onder ons ook op over reeds te tegen tijdens toch toen tot u uit uw van veel
            voor waar waarom wanneer want waren was wat we wel welke werd wezen wie wij wil worden
            wordt zal ze zelf zich zij zijn zo zonder zou""",
        "sv": """
            alla allt än är att av blev bli blir de dem den denna deras dess dessa det detta dig din
            dina ditt du där då efter ej eller en er era ett från för ha hade han hans har henne
            hennes hon honom hur här i icke ingen inom inte jag ju kan kunde man med mellan men mig
            min mina mitt mot mycket ni nu när någon något några och om oss på samma sedan sig sin
            sina sitta själv skulle som så till under upp ut utan vad var vara varför vart vi vid
            vilka vilken vilket vår våra""",
        "da": """
            af alle alt anden at blev blive bliver da de dem den denne der deres det dette dig din
            disse dog du efter eller en end er et for fordi fra få ham han hans har havde hende her
            hos hun hvad hvem hver hvilken hvis hvor hvordan hvorfor hvornår i ikke ind jeg jer kan
            kun kunne man mange med meget men mig min mod når ned noget nogle nu og også om op os
            over på selv sig sin skal skulle som sådan til ud under var ved vi vil være været""",
        "no": """
            alle andre at av bare ble bli blir da de dem den denne der deres det dette disse du
            eller en enn er et etter for fordi fra få ha hadde han hans har henne her hos hun hva
            hvem hver hvilken hvis hvor hvordan hvorfor i ikke inn jeg kan kom kun kunne man mange
            med meg mellom men mer min mot mye når ned noe noen nå og også om opp oss over på seg
            selv sin skal skulle slik som så til ut uten var ved vi vil være vært""",
        "ru": """
            а без более бы был была были было быть в вам вас ведь во вот все всего всех вы где да
            даже для до его ее её если есть ещё еще же за здесь и из или им их к как какой когда
            кто ли либо между меня мне может мы на над нам нас не него нее ней нет ни них но ну о об
            однако он она они оно от по под после потом потому почему при про с свою себя со так
            также такой там те тем то того тоже той только том тот ту ты у уже хотя чего чем что
            чтобы эта эти это этого этой этом этот эту я""",
    }
)

# A guess needs this many common words, and this share of all words, to stand against English.
_SAMPLE_CHARACTERS = 4000
_LEAST_VOTES = 2
_LEAST_SHARE = 0.15

_WORDS = re.compile(r"[^\W\d_]+")


@cache
def stop_words(language: str) -> frozenset[str]:
    """The commonest words of a language, in lower case; Russian's are part of every one's.

    Cyrillic words are told by their script, whatever language the text around them is in.
    """
    words = _STOP_WORDS.get(language, "").split()
    return frozenset(words) | frozenset(_STOP_WORDS["ru"].split())


def guess_language(text: str, among: tuple[str, ...] = tuple(LANGUAGES)) -> str | None:
    """The language of a Latin text, by the votes of its commonest words; None when they disagree.

    Only the first 4,000 characters are looked at; that takes at most 1 ms.

    Args:
        text: Any text.
        among: The languages to choose from.
    """
    words = _WORDS.findall(text[:_SAMPLE_CHARACTERS].lower())
    votes = sorted(
        ((sum(word in own for word in words), language) for language, own in _lists(among)),
        reverse=True,
    )
    if not votes or votes[0][0] < max(_LEAST_VOTES, _LEAST_SHARE * len(words)):
        return None
    if len(votes) > 1 and votes[0][0] == votes[1][0]:
        return None
    return votes[0][1]


@cache
def _lists(among: tuple[str, ...]) -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((language, frozenset(_STOP_WORDS[language].split())) for language in among)
