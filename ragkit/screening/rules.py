"""The shapes of keys, tokens and passwords, as those who issue them publish them.

A rule is tried only where one of its anchors stands in the text: looking for sixty short strings
costs a thousandth of what sixty expressions would.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

__all__ = ["SECRET_NAMES", "Rule", "encoded_line", "key_begins", "secret_rules", "setting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one kind of secret looks.

    Attributes:
        kind: What it is, for people.
        anchors: Any match holds one of these; in lower case where the pattern ignores case.
        pattern: Its last named group, or all of it where it has none, is the secret.
        is_guess: The words around it say that it is a secret, not its shape: its value is
            looked at once more.
    """

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    is_guess: bool = False


# Kind, anchors, and the token from its first character to its last.
_TOKENS = (
    (
        "AWS access key",
        "AKIA ASIA ABIA ACCA A3T",
        r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}",
    ),
    ("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,251}"),
    ("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{36,250}"),
    (
        "GitLab token",
        "glpat- gldt- glft- glsoat- glrt- glcbt- glptt- glagent- glimt- gloas-",
        r"gl(?:pat|dt|ft|soat|rt|cbt|ptt|agent|imt|oas)-[\w\-.]{20,300}",
    ),
    ("GitLab token", "GR1348941", r"GR1348941[\w\-]{20,50}"),
    ("Slack token", "xox", r"(?i:xox[abceoprs]-(?:\d+-)*[a-z0-9\-]{8,250})"),
    ("Slack token", "xapp-", r"xapp-\d-[A-Z0-9]{8,20}-\d{8,20}-[a-z0-9]{32,100}"),
    (
        "Stripe key",
        "sk_live_ rk_live_ sk_test_ rk_test_",
        r"[rs]k_(?:live|test)_[0-9a-zA-Z]{10,250}",
    ),
    ("webhook signing secret", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,100}"),
    ("OpenAI key", "T3BlbkFJ", r"sk-[A-Za-z0-9_\-]{20,250}T3BlbkFJ[A-Za-z0-9_\-]{20,250}"),
    (
        "OpenAI key",
        "sk-proj- sk-svcacct- sk-admin-",
        r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_\-]{40,250}",
    ),
    ("Anthropic key", "sk-ant-", r"sk-ant-[a-z]{3,12}\d{2}-[A-Za-z0-9_\-]{40,200}"),
    ("OpenRouter key", "sk-or-", r"sk-or-v\d-[0-9a-f]{40,128}"),
    ("API key", "sk-", r"sk-[A-Za-z0-9]{32,100}"),
    ("Hugging Face token", "hf_", r"hf_[A-Za-z]{34,40}"),
    ("Replicate token", "r8_", r"r8_[A-Za-z0-9]{37,40}"),
    ("Groq key", "gsk_", r"gsk_[A-Za-z0-9]{40,60}"),
    ("Perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{40,60}"),
    ("xAI key", "xai-", r"xai-[A-Za-z0-9]{70,90}"),
    ("Google key", "AIza", r"AIza[\w\-]{35}"),
    ("Google secret", "GOCSPX-", r"GOCSPX-[\w\-]{28}"),
    ("Google token", "ya29.", r"ya29\.[\w\-]{20,500}"),
    ("SendGrid key", "SG.", r"SG\.[\w\-]{16,32}\.[\w\-]{16,64}"),
    ("Mailchimp key", "-us", r"[0-9a-z]{32}-us[0-9]{1,2}"),
    ("Mailgun key", "key-", r"key-[0-9a-f]{32}"),
    ("Twilio key", "AC SK", r"(?:AC|SK)(?=[a-z]*[0-9])[a-z0-9]{32}"),
    ("Telegram token", ":A", r"\d{8,10}:A[\w\-]{34}"),
    ("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    ("PyPI token", "pypi-Ag", r"pypi-Ag[A-Za-z0-9_\-]{50,1000}"),
    ("RubyGems key", "rubygems_", r"rubygems_[0-9a-f]{48}"),
    ("Docker token", "dckr_pat_ dckr_oat_", r"dckr_[op]at_[\w\-]{27,40}"),
    ("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    ("Shopify token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("Square token", "sq0", r"sq0[a-z]{3}-[\w\-]{22,60}"),
    ("Databricks token", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
    ("Vault token", "hvs. hvb. hvr.", r"hv[sbr]\.[\w\-]{24,300}"),
    ("Terraform token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w\-]{60,80}"),
    ("Grafana token", "glsa_ glc_", r"gl(?:sa|c)_[A-Za-z0-9+/=_]{32,400}"),
    ("New Relic key", "NRAK-", r"NRAK-[A-Z0-9]{27}"),
    ("Postman key", "PMAK-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("PlanetScale token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[\w\-.=]{32,64}"),
    ("Supabase token", "sbp_", r"sbp_[0-9a-f]{40}"),
    ("Sentry token", "sntrys_ sntryu_", r"sntry[su]_[A-Za-z0-9+/=_]{60,500}"),
    ("Atlassian token", "ATATT3 ATCTT3", r"AT[AC]TT3[\w\-=]{100,300}"),
    ("Airtable token", "pat", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    ("Figma token", "figd_", r"figd_[\w\-]{40,60}"),
    ("Linear key", "lin_api_", r"lin_api_[A-Za-z0-9]{40}"),
    ("Notion token", "ntn_", r"ntn_[A-Za-z0-9]{40,60}"),
    ("Doppler token", "dp.", r"dp\.(?:pt|st|sa|ct|scim|audit)\.[\w\-.]{40,60}"),
    ("Azure secret", "Q~", r"[\w~.\-]{3}\dQ~[\w~.\-]{31,34}"),
    ("Artifactory key", "AKC", r"AKC[A-Za-z0-9]{60,80}"),
    ("Artifactory key", "cmVmdGtu", r"cmVmdGtu[A-Za-z0-9+/=]{40,80}"),
    ("age key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    ("JSON web token", "eyJ", r"eyJ[\w\-]{10,2000}\.ey[\w\-]{10,8000}\.[\w\-+/=]{10,2000}"),
    ("Discord token", ".", r"[MNO][\w\-]{23,25}\.[\w\-]{6}\.[\w\-]{27,38}"),
)  # fmt: skip

_KEY_BEGIN = r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_PUTTY = r"PuTTY-User-Key-File-\d:[^-]{0,9000}?Private-MAC: ?\w+"
_AFTER_COLON_SLASHES = r"""://[^\s:/@"'`<>?#]{0,100}:(?P<secret>[^\s/@"'`<>]{1,200})@(?=[\w\[])"""
_WEBHOOK = r"""
    https://(?:hooks\.slack\.com/(?:services|workflows|triggers)/(?P<slack>[\w/]{20,200})
    |(?:\w{1,10}\.)?discord(?:app)?\.com/api/webhooks/(?P<discord>\d{8,25}/[\w\-]{30,120}))
"""
_STORAGE = r"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/]{40,100}={0,2})"
_SIGNATURE = r"[?&](?:sig|X-Amz-Signature|Signature)=(?P<secret>[A-Za-z0-9%+/]{40,200}={0,2})"
_HEADER = r"""
    (?i:authorization["']?\s{0,3}[:=]\s{0,3}["']?(?:bearer|basic|token)\s{1,3})
    (?P<secret>[A-Za-z0-9._~+/=\-]{12,2000})
"""
_BEARER = r"\b[Bb]earer\s(?P<secret>[A-Za-z0-9._~+/\-]{24,2000}={0,2})(?![\w.])"
_AWS = (
    r"(?i:aws.{0,20}?(?:key|secret|token|pass).{0,20}?)(?P<secret>(?<![\w/+])[\w/+]{40})(?![\w/+=])"
)
_LOGIN = r"(?:-u|--user)\s[\"']?[\w.@\-]{1,100}:(?P<secret>[^\s\"']{4,200})"
_NETRC = r"\blogin\s+\S{1,100}\s+password\s+(?P<secret>\S{4,200})"
_NPMRC = r"_(?:authToken|auth|password)\s?=\s?[\"']?(?P<secret>[A-Za-z0-9+/=_\-]{12,500})"

# What a secret is called where it is set, in lower case, and how it is set: DB_PASSWORD=…,
# password: "…", "apiKey": "…", setenv("API_KEY", "…"), <password>…</password>, "the password is …".
# Not ``key`` alone, which every table has.
SECRET_NAMES = (
    *("password", "passwd", "passphrase", "passwort", "kennwort", "pwd", "secret"),
    *("passwords", "secrets", "credential", "credentials"),
    *("contraseña", "senha", "mot de passe", "пароль", "密码", "パスワード"),
    *("apikey", "accesskey", "authkey", "privatekey", "storagekey", "accountkey"),
    *("api_key", "access_key", "auth_key", "private_key", "signing_key", "encryption_key"),
    *("master_key", "storage_key", "account_key", "api-key", "access-key", "auth-key"),
    *("apitoken", "accesstoken", "authtoken", "refreshtoken", "bottoken", "token"),
)
_SET = r"""
    (?:[_\-]?(?:key|id|base64|value|base|prod|dev|test))?
    (?:["']?\]?\s{0,4}(?::=|=>|[:=：])\s{0,4}|["']\s{0,2},\s{0,2}(?=["'])|\s(?=["'])
      |>(?=[^<>\s]{6,200}</)|\s(?:is|was|ist|lautet|es|est|è)[ ](?=[^\s]{0,60}[0-9]))
    (?:(?P<quote>["'`])(?P<quoted>[^\s"'`]{6,200})(?P=quote)
      |(?P<plain>(?<=[ >])[^\s"'`<>,;]{6,200}|[^\s"'`<>,;]{8,200}))
"""
# A line that is nothing but base64, of the length that encoders break at: the inside of a key.
_ENCODED_LINE = r"(?m:^(?=[^\s]*[a-z])(?=[^\s]*[A-Z])[A-Za-z0-9+/]{60,76}={0,2}$)"


def _token(shape: str) -> str:
    """Not inside a longer word; a token is never that."""
    return rf"(?<![A-Za-z0-9_]){shape}(?![A-Za-z0-9_])"


@cache
def secret_rules() -> tuple[Rule, ...]:
    """All rules, compiled on first use: 20 ms that a local model never pays."""
    tokens = [
        Rule(kind=kind, anchors=tuple(anchors.split()), pattern=re.compile(_token(shape)))
        for kind, anchors, shape in _TOKENS
    ]
    others = [
        Rule(kind=kind, anchors=anchors, pattern=re.compile(pattern, flags), is_guess=is_guess)
        for kind, anchors, pattern, flags, is_guess in (
            ("private key", ("PuTTY-User-Key",), _PUTTY, 0, False),
            ("webhook", ("hooks.slack", "webhooks"), _WEBHOOK, re.VERBOSE, False),
            ("storage key", ("Key=",), _STORAGE, 0, False),
            ("signature", ("sig=", "ignature="), _SIGNATURE, 0, False),
            ("authorization", ("uthorization", "UTHORIZATION"), _HEADER, re.VERBOSE, True),
            ("authorization", ("earer ",), _BEARER, 0, True),
            ("npm token", ("_auth", "_password"), _NPMRC, 0, True),
            ("password", ("://",), _AFTER_COLON_SLASHES, 0, True),
            ("AWS secret key", ("aws", "AWS"), _AWS, 0, True),
            ("password", ("-u ", "--user "), _LOGIN, 0, True),
            ("password", ("login ",), _NETRC, 0, True),
        )
    ]
    return (*tokens, *others)


@cache
def setting() -> re.Pattern[str]:
    """What follows the name of a secret, up to its value: group ``quoted`` or ``plain``."""
    return re.compile(_SET, re.VERBOSE | re.IGNORECASE)


@cache
def key_begins() -> re.Pattern[str]:
    """The first line of a private key."""
    return re.compile(_KEY_BEGIN)


@cache
def encoded_line() -> re.Pattern[str]:
    """A line that may come from the inside of a key."""
    return re.compile(_ENCODED_LINE)
