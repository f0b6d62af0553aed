"""How texts speak to models: phrases in many languages, as data.

Lists of literal words are written as one string with bars; patterns are for text in lower case with
single blanks.
"""

from __future__ import annotations

__all__ = [
    "ADDRESSED",
    "CONCEALS",
    "HIDDEN",
    "MARKUP",
    "ORDERS",
    "ORDER_FORMS",
    "PATTERNS",
    "ROLES",
]

ORDERS = "orders to ignore instructions"
ROLES = "a role given to the reader"
ADDRESSED = "words addressed to an AI"
MARKUP = "markup of a chat"
CONCEALS = "orders to hide or send something"
HIDDEN = "hidden characters"

# "Ignore all previous instructions": what is to be ignored (the stems that its name begins with),
# the verb, and the scope: all of it, what came before, the reader's own. Without a scope, manuals
# speak so too.
ORDER_FORMS = (
    (
        "anweisung|instruktion|vorgabe|befehl|regel|prompt|richtlinie",
        r"\b(?:ignorier(?:e|en|t)?|vergiss|vergesst|vergessen sie|missachte|missachten sie|übergehe"
        r"|befolge nicht|beachte nicht|verwirf|zu ignorieren)\b",
        r"\b(?:alle[nrs]?|sämtliche\w*|vorherige\w*|vorige\w*|bisherige\w*|obige\w*|frühere\w*"
        r"|vorangehende\w*|deine\w*)\b",
    ),
    (
        "instructions|consignes|règles|directives|ordres",
        r"\b(?:ignore[rz]?|oublie[rz]?|néglige[rz]?|(?:tiens|tenez|tenir) (?:pas )?compte"
        r"|fais abstraction|faites abstraction|ne (?:suis|suivez) pas)\b",
        r"\b(?:tou(?:te)?s|précédentes?|antérieures?|ci-dessus|vos|tes)\b",
    ),
    (
        "instrucciones|indicaciones|reglas|órdenes|directrices|directivas",
        r"\b(?:ignora|ignore|ignorad|ignoren|olvida|olvide|olvídate de|haz caso omiso"
        r"|haga caso omiso|no sigas|no hagas caso)\b",
        r"\b(?:tod[ao]s|anteriores|previas|precedentes|tus|sus)\b",
    ),
    (
        "istruzioni|indicazioni|regole|direttive|ordini",
        r"\b(?:ignora|ignorate|ignori|dimentica|dimenticate|trascura|non seguire|non seguite)\b",
        r"\b(?:tutt[ei]|precedenti|anteriori|tue|tuoi|vostre)\b",
    ),
    (
        "instruções|orientações|regras|diretrizes|comandos|ordens",
        r"\b(?:ignore|ignora|ignorem|esqueça|esquece|esqueçam|desconsidere|desconsidera"
        r"|não siga)\b",
        r"\b(?:tod[ao]s|anteriores|prévias|acima|suas|tuas)\b",
    ),
    (
        "instructies|aanwijzingen|regels|opdrachten|richtlijnen",
        r"\b(?:negeer|vergeet|volg niet|sla)\b",
        r"\b(?:alle|vorige|eerdere|bovenstaande|voorgaande|je|jouw)\b",
    ),
    (
        "instrukcj|polece|zasad|reguł|wytyczn",
        r"\b(?:zignoruj|ignoruj|zapomnij|pomiń|pomin)",
        r"\b(?:wszystki\w+|poprzedni\w+|wcześniejsz\w+|powyższ\w+|twoj\w+|swoj\w+)",
    ),
    (
        "инструкци|указани|правил|команд|распоряжени|інструкці|вказівк",
        r"\b(?:про?игнорируй|игнорируй|забудь|отбрось|не обращай|не следуй|ігноруй|проігноруй)",
        r"\b(?:вс[еі]\b|предыдущ|попередн|прежн|предшеств|сво[иї])",
    ),
    (
        "指令|指示|提示|规则|規則|命令|设定|要求|说明|プロンプト|ルール",
        r"(?:忽略|忽視|忽视|无视|無視|忘记|忘記|忘掉|不要理会|不要遵守|绕过|忘れ|従わな|破棄)",
        r"(?:所有|之前|以前|先前|上述|上面|前面|一切|你的|您的|全部|任何|上記|これまで|すべて"
        r"|全て|前の|先の)",
    ),
    (
        "지시|명령|지침|프롬프트|규칙",
        r"(?:무시|잊|따르지)",
        r"(?:이전|위의|위 |앞의|앞선|모든|기존)",
    ),
    (
        "تعليمات|أوامر|إرشادات|قواعد|توجيهات",
        r"(?:تجاهل|انسَ|انس |إهمال|أهمل|لا تتبع)",
        r"(?:السابقة|جميع|كل |كافة|أعلاه)",
    ),
    (
        "निर्देश|आदेश|नियम",
        r"(?:अनदेखा|अनदेखी|नज़रअंदाज़|नजरअंदाज|भूल)",
        r"(?:पिछल|पूर्व|सभी|उपरोक्त)",
    ),
    (
        "talimat|yönerge|kural|komut",
        r"(?:yok say|görmezden gel|unut|dikkate alma)",
        r"\b(?:önceki|yukarıdaki|tüm|bütün)\b",
    ),
    (
        "hướng dẫn|chỉ thị|chỉ dẫn|mệnh lệnh|quy tắc",
        r"\b(?:bỏ qua|quên|phớt lờ)\b",
        r"\b(?:tất cả|trước|mọi)\b",
    ),
    (
        "instruksi|perintah|aturan|petunjuk",
        r"\b(?:abaikan|lupakan)\b",
        r"\b(?:semua|sebelumnya|seluruh)\b",
    ),
)  # fmt: skip
# English is also the language of manuals, so that the order of the words counts.
ENGLISH_ORDER = (
    r"\b(?:ignor(?:e|ing)|disregard|forget|override|overrule|bypass|neglect|do not follow"
    r"|don't follow|do not obey|stop following|pay no attention to) (?:\w+,? ){0,4}?"
    r"(?:previous|prior|preceding|earlier|above|existing|initial|original|former|all|any|your"
    r"|every|system)(?: \w+){0,3}? (?:instructions?|prompts?|rules|guidelines|directives?|commands"
    r"|orders|programming|training|safeguards|policies)\b"
)

# Kind, words of which a match has one, and its form.
PATTERNS = (
    (
        ORDERS,
        "ignor|disregard|forget|over|bypass|neglect|follow|obey|pay no",
        ENGLISH_ORDER,
    ),
    (
        ROLES,
        "you are | as |pretend|du bist|tu es|vous êtes|ahora|ты теперь|你|あなた",
        r"\byou are (?:now|no longer) (?:in )?(?:dan\b|(?:developer|debug|god|admin|root) mode"
        r"|unrestricted|jailbroken|free from|bound by|an? (?:\w+ ){0,2}(?:ai|assistant|chatbot|bot"
        r"|language model|llm|agent)\b)"
        r"|\b(?:act|behave|respond|answer) as (?:if you (?:have|had) no|an? (?:unrestricted"
        r"|unfiltered|jailbroken|different))"
        r"|\bpretend (?:that )?you (?:have no|are not bound|are an? (?:unrestricted|different))"
        r"|\bdu bist (?:jetzt|nun|ab jetzt) (?:ein|eine|kein|keine) (?:\w+ ){0,2}(?:ki|assistent\w*"
        r"|chatbot|sprachmodell)"
        r"|\b(?:tu es|vous êtes) (?:maintenant|désormais) une? (?:\w+ ){0,2}(?:ia|assistant)"
        r"|\b(?:ahora eres|eres ahora) una? (?:\w+ ){0,2}(?:ia|asistente|chatbot)"
        r"|ты теперь (?:\w+ ){0,2}(?:ии|ассистент|чат-?бот)|你现在是|从现在开始你是|あなたは今から",
    ),
    (
        ADDRESSED,
        "ai|llm|language model|chatbot|chatgpt|claude|copilot|gemini|prompt|instruction|directive"
        "|message|end of|sprachmodell|assistent",
        r"\b(?:instructions?|notes?|message|attention|important|notice|warning|order)s?"
        r"(?: \w+){0,2}[:,]? (?:for|to|,) (?:all |any |the )?"
        r"(?:ai(?:s\b|\b(?! (?:act|team|system)))|llms?\b|large language models?|language models?"
        r"|chatbots?|ai assistants?|chatgpt|claude"
        r"|copilot|gemini)\b"
        r"|\bif you are an? (?:ai\b|llm|large language model|language model|chatbot"
        r"|automated (?:agent|system))"
        r"|\b(?:new|updated|real|actual|secret|hidden|important) (?:system )?"
        r"(?:instructions?|prompt|directives?) ?:"
        r"|\b(?:system prompt|system message|system instruction) ?:"
        r"|\bend of (?:the )?(?:system prompt|context|documents?|excerpts?)[.:\]]"
        r"|\b(?:wichtig|achtung|anweisung\w*|hinweis) (?:für|an) (?:die |das |alle )?(?:ki|llm"
        r"|sprachmodell|assistent)\w*",
    ),
    (
        MARKUP,
        "<|inst]",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|end_header_id|eot_id"
        r"|begin_of_text|endofprompt)\|>|\[/?inst\]|<</?sys>>|</?start_of_turn>"
        r"|</?(?:system|system[_-]?prompt|system[_-]?message|function_calls?|tool_calls?"
        r"|tool_results?)>",
    ),
    (
        CONCEALS,
        "user|prompt|your| to|nutzer|anwender|utilisateur|usuario|пользовател|用户|ユーザー",
        r"\b(?:do not|don't|never|without) (?:tell|inform|mention|reveal|alert|notify|warn|let"
        r"|telling|informing|mentioning|alerting|notifying)(?:ing)? (?:\w+ ){0,3}(?:the )?users?\b"
        r"|\b(?:reveal|print|repeat|output|display|leak|disclose|show me|tell me)"
        r" (?:\w+ ){0,3}(?:system prompt|hidden prompt|initial prompt|your (?:own )?(?:instructions"
        r"|prompt|guidelines|rules))"
        r"|\b(?:send|post|forward|exfiltrate|upload|leak) (?:\w+ ){0,6}(?:conversation|chat history"
        r"|passwords?|credentials|api keys?|personal data|secrets)(?: \w+){0,6} to\b"
        r"|\b(?:sage|erzähle|verrate|sagen sie) (?:es )?dem (?:benutzer|nutzer|anwender) nicht"
        r"|\bne (?:dis|dites|le dis|le dites) (?:rien |pas )?à l'utilisateur"
        r"|\bno (?:se lo )?(?:digas|diga|menciones) (?:\w+ ){0,2}al usuario|не (?:говори|сообщай)"
        r"(?:те)? (?:об этом )?пользователю|不要告诉用户|ユーザーに(?:は)?(?:言わ|伝え)ない",
    ),
)
