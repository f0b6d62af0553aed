"""What is known of languages: their commonest words, and how to tell them apart.

Latin script by the commonest words of a text, other scripts by their letters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

__all__ = [
    "DEFAULT_LANGUAGE",
    "KNOWN_LANGUAGES",
    "LANGUAGES",
    "guess_language",
    "language_of",
    "stop_words",
]

DEFAULT_LANGUAGE = "en"

# Snowball's name of each language that is written in Latin script; None where words have no
# endings. Other scripts choose their stemmer by themselves.
LANGUAGES: Mapping[str, str | None] = MappingProxyType(
    {
        "ca": "catalan",
        "cs": "czech",
        "da": "danish",
        "de": "german",
        "en": "english",
        "es": "spanish",
        "fi": "finnish",
        "fr": "french",
        "hu": "hungarian",
        "id": "indonesian",
        "it": "italian",
        "nl": "dutch",
        "no": "norwegian",
        "pl": "polish",
        "pt": "portuguese",
        "ro": "romanian",
        "sv": "swedish",
        "tr": "turkish",
        "vi": None,
    }
)

# Letters that only one language is written with, or one of those that share them.
_SCRIPTS = (
    ("ja", "\u3041-\u30ff"),
    ("ko", "\uac00-\ud7a3\u1100-\u11ff"),
    ("zh", "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"),
    ("th", "\u0e01-\u0e3a\u0e40-\u0e4e"),
    ("lo", "\u0e81-\u0edf"),
    ("my", "\u1000-\u109f"),
    ("km", "\u1780-\u17d3"),
    ("el", "\u0370-\u03ff\u1f00-\u1fff"),
    ("ru", "\u0400-\u052f"),
    ("hy", "\u0531-\u058f"),
    ("he", "\u0591-\u05f4"),
    ("ar", "\u0600-\u06ff\u0750-\u077f"),
    ("hi", "\u0900-\u097f"),
    ("bn", "\u0980-\u09ff"),
    ("ta", "\u0b80-\u0bff"),
    ("te", "\u0c00-\u0c7f"),
    ("ka", "\u10a0-\u10ff"),
)

# Every code that ``language_of`` may give.
KNOWN_LANGUAGES = frozenset({*LANGUAGES, *(code for code, _ in _SCRIPTS)})

# Which of the lists are of other scripts than Latin. They are part of every language's, since the
# words are told by their script, whatever language the text around them is in.
_BY_SCRIPT = ("ar", "el", "fa", "he", "hi", "ru", "uk")

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
        "ca": """
            a al algun alguna alguns als altra altre altres amb aquest aquesta aquestes aquests bé
            com d'un d'una de del dels des doncs el ella elles ells els em en encara ens entre era
            eren es és està estan et fa fins foi ha havia han hi hem ho i jo l la les li ma més
            meva molt na ni no nosaltres o on per què però perquè pot que quan quin quina quins
            ser seu seus seva seves si sobre són també te tenir tot tota tots un una unes uns va
            van vostra""",
        "cs": """
            a aby aj ale ani ano asi až bez bude budou by byl byla byli bylo být co což či dál do
            ho i já jak jako je jeho jej její jejich jen ještě ji jich jím již jsem jsi jsme jsou
            jste k kam kde kdo kdy když ke která které který kteří ku kterou kolik má mají mezi mi
            mít mně můj může my na nad nám náš ne nebo než nic není o od on ona oni ono pak po pod
            podle pokud pouze proč proto protože pro před při s se si sice své svou svůj svých ta
            tak také takže tam te tedy ten tento této tím to toho tohoto tom tomto tu tuto ty tyto
            u už v ve více však všechny vy z za zda že ze""",
        "fi": """
            ei eivät eli ennen enää että he heidän heitä hän hänen häntä ilman itse ja jo joita
            joka jokin jolla jonka jos jossa josta jota jotka jotta joten kanssa kautta keiden
            kenen koska kuin kuinka kuka kun kuten kyllä me meidän meille mihin mikä mikään miksi
            millä millainen minkä minkälainen minun minä missä mistä mitä mitkä miten mukaan mutta
            muun myös ne niiden niihin niin niitä noin nyt olen oli olla olleet ollut on ovat
            paljon sekä sen siellä siinä sitä sille sinä siis siitä silloin tai taas te tämä tämän
            tässä tätä tuo vaan vai vaikka vain voi voidaan voivat vuonna yli""",
        "hu": """
            a abban ahol aki akik ahhoz alatt által általában amely amelyek amelyet ami amikor
            amit annak arra át az azok azon azt azzal azonban be belül csak de e egy egyes egyéb
            el elég ez ezek ezen ezért ezt fel hanem hogy hogyan hol honnan ha hány is itt jó ki
            kik kell kellett közül között le legyen lehet lenni lesz lett má már mely melyek
            melyik meg mennyi mert mi miért mikor milyen minden mint mit mivel most ne nek nem
            néhány nélkül nincs óta össze ő ők ott pedig persze s során sem szerint szemben
            számára több tovább úgy után utána vagy vagyis van vannak volna volt voltak voltam
            vissza""",
        "id": """
            ada adalah agar akan antara apa apakah atas atau bagaimana bagi bahwa banyak beberapa
            belum berapa bisa bukan dalam dan dapat dari daripada dengan di dia hal hanya harus
            hingga ia ini itu jika juga kami kapan karena kata ke kepada ketika kita lain lebih
            maka mana masih mengapa menjadi mereka merupakan namun oleh pada para pernah saat saja
            sampai sangat saya sebagai sebelum sebuah secara sedang sejak seperti serta setelah
            setiap siapa sudah suatu telah tentang terhadap tersebut tetapi tidak untuk yaitu
            yakni yang""",
        "pl": """
            a aby ale albo ani aż bardzo bez bo by był była byli było były być będzie będą bądź ci
            co coś czy czyli czym dla dlaczego do gdy gdzie gdyż go i ich ile im inne iż ja jak
            jaka jaki jakie jako je jego jej jest jestem jeszcze jeśli jeżeli już kiedy kim kto
            która które którego której który których którym którzy ku lecz lub ma mają mi może
            można mu my na nad nam nas nasz nie nich nim niż no o od on ona one oni oraz po pod
            podczas ponieważ przed przez przy roku s są się sobie swoje ta tak także tam te tego
            tej ten to też tu ty tych tylko tym u w we wiele więc wszystko wszystkie z za ze że
            żeby""",
        "ro": """
            a aceasta această aceste acest acestea acesta acestei acestui ai al ale am ar are as
            asta astfel atunci au avea avem avut ca că când care cărei căror cât câte câți ce cel
            cea cele cei celor chiar cine cu cum da dacă dar de deci decât deși despre din dintr
            dintre doar după ea ei el ele este era erau eu fi fie fiind foarte fost i iar il îi îl
            în înainte încă între întru la le li lor lui mai mult multe mulți ne nici nimic noi
            nostru nu numai o ori pe pentru peste poate pot prin printr printre sa să sale sau se
            și si sunt spre sub te toate tot toți tu un una unde unei unele unor unui va vă voi
            vor""",
        "tr": """
            acaba ama ancak arasında artık aslında az bana bazı belki ben bile bir biri birkaç
            birçok biz böyle bu buna bunda bundan bunlar bunu bunun burada çok çünkü da daha de
            defa değil diye en gibi göre hangi hangisi hatta hem henüz hep her hiç ile ilgili ise
            için içinde kaç kadar kendi kez ki kim kime kimdir kimin mı mi mu mü nasıl ne neden
            nedir nelerdir nerede nereye niçin niye o olan olarak oldu olduğu olduğunu olmak
            olması olsa olup olur on ona onlar onu onun önce oysa pek rağmen sadece sanki sen siz
            son sonra şey şu tarafından tüm üzere üzerinde var ve veya ya yani yapılan yerine yok
            yoksa zaman""",
        "vi": """
            bạn bao bằng bị bởi các cái cả cần chỉ cho chúng có còn của cũng cùng do đã đang đâu
            đây để đến đi điều đó được gì giữa hai hay hoặc họ không khi khác là lại làm lên lúc
            mà mình mỗi một năm nào này nên nếu người nhiều như nhưng những nhất ở phải qua ra
            rằng rất sao sau sẽ sự tại theo thì thế thể trên trong trước từ tự và vào vẫn về vì
            với vậy ai""",
        "ru": """
            а без более бы был была были было быть в вам вас ведь во вот все всего всех вы где да
            даже для до его ее её если есть ещё еще же за здесь и из или им их к как какой когда
            кто ли либо между меня мне может мы на над нам нас не него нее ней нет ни них но ну о об
            однако он она они оно от по под после потом потому почему при про с свою себя со так
            также такой там те тем то того тоже той только том тот ту ты у уже хотя чего чем что
            чтобы эта эти это этого этой этом этот эту я""",
        "ar": """
            أن أنه أو أي أين أيضا إذا إلا إلى إن التي الذي الذين اللذان اللتان ان او اي بعد بعض بل
            بها به بين تحت تكون تلك تم ثم حتى حول حيث خلال ذلك عن عند عندما على عليه عليها غير فقد
            فقط في فيه فيها قبل قد قام كان كانت كل كم كما كيف لا لدى لقد لكن لم لما لماذا لن له
            لها لهم ليس ما ماذا متى مثل مع من منذ منها منه نحو هذا هذه هل هم هن هنا هناك هو هي و
            وقد وكان ولا ولم وهو وهي يتم يكون يمكن""",
        "el": """
            αλλά αν από απο αυτά αυτές αυτή αυτό αυτοί αυτός αυτούς αυτών για γιατί δεν εάν είναι
            είχαν είχε ενώ ένα ένας έναν ενός επίσης έχει έχουν η ήταν θα ή και κατά κάθε κάτι με
            μέσα μετά μεταξύ μέχρι μη μια μία μιας μόνο να ο οι όπου όπως όταν ότι όχι ποια ποιες
            ποιο ποιοι ποιον ποιος πολύ πόσα πόσες πόση πόσο πόσοι που πού πότε πριν προς πώς πως
            σαν σε στα στη στην στις στο στον στους τα τη την της τι τις το τον του τους των ως""",
        "fa": """
            آن آنها از است اگر اما ای این با باید بر برای بود بوده بین تا چرا چند چه چگونه چی خود
            در دارد دارند را روی شد شده شود کجا کدام که کرد کرده کند کنند کی می نمی نیز ها های هر
            هم همه و ولی وی یا یک""",
        "he": """
            אבל או אותה אותו אותם אחרי אחת איך אילו אין איפה אל אם אני אנחנו את אשר בין גם הוא היא
            היה היו הייתה הם הן זה זאת זו יותר יש כאשר כי כל כמה כמו כן לא לאחר לו לה להם לפני מה
            מהו מהי מי מתי עד על עם עוד רק של שלה שלו שלהם""",
        "hi": """
            अपना अपनी अपने अब अभी आदि इन इस इसका इसकी इसके इसे इसमें उन उनका उनकी उनके उस उसका
            उसकी उसके उसे एक एवं और कई कब कर करता करती करते करना करने का कि कितना कितनी कितने किन
            किया किस किसका किसकी किसके किसने किसी किसे की कुछ के को कोई कौन कौनसा कौनसे क्या क्यों
            गई गए गया जब जहां जा जाता जाती जाते जाने जिन जिस जिसे जो तक तथा तब तो था थी थे दिया
            द्वारा न नहीं ने पर फिर बहुत बाद भी मगर में यदि यह यहां यही या ये रहा रही रहे लिए
            लेकिन व वह वहां वे सकता सकती सकते सभी साथ से हुआ हुई हुए है हैं हो होता होती होते होना
            होने""",
        "uk": """
            або але без би був була були було бути в вже від він вона вони воно де для до її їх
            його за з зі і й із коли ким який яка яке які як та так також те ти то тому тут у хто
            це цей ця ці чи чому що щоб я є""",
    }
)

# A guess needs this many common words, and this share of all words, to stand against English. In
# code a letter alone is a name.
_SAMPLE_CHARACTERS = 4000
_LEAST_WORDS = 2
_LEAST_LETTERS = 2
_LEAST_SHARE = 0.15
# A text is in another script than Latin if so many of its letters are; a name or a term is not.
_LEAST_SCRIPT_SHARE = 0.3

_WORDS = re.compile(r"[^\W\d_]+")
_NOT_LATIN = re.compile(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]")
# Kana tells Japanese from Chinese, though most of its letters may be shared ones.
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_LEAST_KANA_SHARE = 0.1


@cache
def stop_words(language: str) -> frozenset[str]:
    """The commonest words of a language, in lower case, and those of all other scripts."""
    return frozenset[str]().union(
        *(_STOP_WORDS.get(code, "").split() for code in (language, *_BY_SCRIPT))
    )


def language_of(text: str, among: tuple[str, ...] = tuple(LANGUAGES)) -> str | None:
    """ISO 639-1 code of a text's language: by its script, or as ``guess_language``.

    Of languages that share a script other than Latin the commonest stands for all: ``ru`` for
    Cyrillic, ``ar`` for Arabic letters, ``hi`` for Devanagari.

    Args:
        text: Any text; its first 4,000 characters are looked at.
        among: The languages of Latin script to choose from.
    """
    sample = text[:_SAMPLE_CHARACTERS]
    if not sample.isascii():
        letters = sum(map(str.isalpha, sample))
        other = _NOT_LATIN.findall(sample)
        if len(other) > _LEAST_SCRIPT_SHARE * letters:
            return _of_script("".join(other))
    return guess_language(text, among)


def _of_script(letters: str) -> str | None:
    """The language of most of these letters, none of them Latin."""
    if len(_KANA.findall(letters)) > _LEAST_KANA_SHARE * len(letters):
        return "ja"
    counts = {code: len(pattern.findall(letters)) for code, pattern in _patterns()}
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else None


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((code, re.compile(f"[{ranges}]")) for code, ranges in _SCRIPTS)


def guess_language(text: str, among: tuple[str, ...] = tuple(LANGUAGES)) -> str | None:
    """The language of a Latin text, by the votes of its commonest words; None when they disagree.

    Only the first 4,000 characters are looked at; that takes at most 1 ms.

    Args:
        text: Any text.
        among: The languages to choose from.
    """
    counts = Counter(_WORDS.findall(text[:_SAMPLE_CHARACTERS].lower()))
    speaks = _speakers(among)
    votes, distinct = Counter[str](), Counter[str]()
    for word, number in counts.items():
        for language in speaks.get(word, ()):
            votes[language] += number
            distinct[language] += 1
    (best, most), (_, second) = [*votes.most_common(2), ("", 0), ("", 0)][:2]
    if most == second or most < _LEAST_SHARE * counts.total() or distinct[best] < _LEAST_WORDS:
        return None
    return best


@cache
def _speakers(among: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """The languages that each common word is of."""
    speakers: dict[str, tuple[str, ...]] = {}
    for language in among:
        for word in frozenset(_STOP_WORDS[language].split()):
            if len(word) < _LEAST_LETTERS:
                continue
            speakers[word] = (*speakers.get(word, ()), language)
    return MappingProxyType(speakers)
