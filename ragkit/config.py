"""Settings, and the one place that reads environment variables and TOML files.

Arguments win over the environment, the environment over a file: ``ragkit.toml`` beside the
collection, or ``[tool.ragkit]`` in a ``pyproject.toml`` beside it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from urllib.parse import urlsplit

from ragkit.errors import ConfigurationError
from ragkit.models.catalogue import ModelProfile, profile
from ragkit.models.described import described

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_PASSAGE_TOKENS",
    "OPENROUTER_URL",
    "Secret",
    "Settings",
    "key_for",
    "load_settings",
    "names_proxy",
    "state_directory",
    "terminal_is_dumb",
    "terminal_wants_color",
    "worker_environment",
]

DEFAULT_MODEL = "local/all-minilm-l6-v2"
DEFAULT_PASSAGE_TOKENS = 100
OPENROUTER_URL = "https://openrouter.ai/api/v1"


class Secret:
    """A string that shows itself only when asked: not in a repr, a log, a traceback or a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the Authorization header and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('…')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not to be written anywhere")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a user may set, from arguments, environment and files together.

    Attributes:
        model: Model name; None for the collection's own, or the embedded one for a new one.
        base_url: Root of an OpenAI-compatible API, up to and without ``/embeddings``.
        api_key: Sent in the Authorization header, and nowhere else.
        dimensions: Width to ask for where vectors can be cut; None for the native width.
        provider: OpenRouter's routing object.
        input_type: (query, document) values of ``input_type``; None for what the catalogue says.
        collection: Directory of the collection.
        passage_tokens: Size that passages aim at, in cl100k tokens; None for the collection's own,
            or 100 for a new one.
        workers: Parser processes; None for one per core, four at most.
        file_timeout_s: Longest time a parser may take over one file.
        file_memory_mib: Most memory a parser process may take.
        max_file_mib: Larger files are skipped, with that reason.
        request_timeout_s: Longest wait for one reply of the embeddings server.
        rerank_timeout_s: Longest that reranking may hold up a search, all attempts included.
        concurrency: Most requests in flight at once; None for as many as the server bears, to 64.
        mask: What is masked in texts before they go to a remote model: ``secrets`` (keys, tokens,
            passwords), and by choice ``email``, ``phone``, ``iban``, ``card``. It holds for what is
            embedded from then on.
        requests_per_minute: What the server permits; None learns it.
        tokens_per_minute: The same for tokens.
        user: An end user's identifier, for the server's logs; sent only if it is set.
        dialect: Whose ways the server has, where its address does not tell: ``azure`` ….
        models: What the user says of models, by name or pattern: ``[models."name"]``.
        app_url: Address of the application, for OpenRouter's public rankings; sent only if it is
            set, and to OpenRouter alone.
        app_title: Its name, beside its address.
        server_is_named: Whether the user names the server, and not only a collection, which
            somebody else may have made; no file says so.
    """

    model: str | None = None
    base_url: str | None = None
    api_key: Secret | None = None
    dimensions: int | None = None
    provider: Mapping[str, object] | None = None
    input_type: tuple[str, str] | None = None
    collection: str | None = None
    passage_tokens: int | None = None
    workers: int | None = None
    file_timeout_s: float = 60.0
    file_memory_mib: int = 2048
    max_file_mib: int = 64
    request_timeout_s: float = 120.0
    rerank_timeout_s: float = 30.0
    concurrency: int | None = None
    mask: tuple[str, ...] = ("secrets",)
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    user: str | None = None
    dialect: str | None = None
    models: Mapping[str, ModelProfile] = field(default_factory=dict)
    app_url: str | None = None
    app_title: str | None = None
    server_is_named: bool = True

    @property
    def profile(self) -> ModelProfile:
        """What is known of the model.

        Raises:
            UnknownModel: A ``local/`` name that is not shipped.
        """
        return profile(self.model or DEFAULT_MODEL, self.models)

    def with_arguments(
        self,
        *,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        provider: Mapping[str, object] | None = None,
        input_type: tuple[str, str] | None = None,
    ) -> Settings:
        """These settings with the arguments that are not None put over them."""
        given = {
            "model": model,
            "base_url": base_url,
            "api_key": None if api_key is None else Secret(api_key),
            "dimensions": dimensions,
            "provider": provider,
            "input_type": input_type,
        }
        named = self.server_is_named or base_url is not None
        chosen = {name: value for name, value in given.items() if value is not None}
        return replace(self, server_is_named=named, **chosen)  # type: ignore[arg-type]

    def with_key(self, api_key: Secret | None) -> Settings:
        """These settings with this key, or without one."""
        return replace(self, api_key=api_key)


_FROM_FILE = {item.name for item in fields(Settings)} - {"api_key", "server_is_named"}
_SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL")
_FROM_ENVIRONMENT = {
    "RAGKIT_MODEL": "model",
    "RAGKIT_BASE_URL": "base_url",
    "RAGKIT_COLLECTION": "collection",
}


def load_settings(
    directory: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the file beside a collection, then the environment over it.

    Args:
        directory: Where ``ragkit.toml`` or ``pyproject.toml`` may stand; None reads no file.
        environment: Instead of the process's own, for tests.

    Raises:
        ConfigurationError: A file is not TOML, or holds a key or a type that is not known.
    """
    values = _file_values(directory) if directory is not None else {}
    variables = os.environ if environment is None else environment
    for variable, name in _FROM_ENVIRONMENT.items():
        if variables.get(variable):
            values[name] = variables[variable]
    settings = Settings(**values)  # type: ignore[arg-type]
    return replace(settings, api_key=_key(settings.base_url, variables))


def key_for(base_url: str | None, environment: Mapping[str, str] | None = None) -> Secret | None:
    """The key that the environment holds for a server: each key goes to its own server only."""
    return _key(base_url, os.environ if environment is None else environment)


def names_proxy(url: str) -> bool:
    """Whether the environment, or the system, names a proxy for this URL."""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - loads all of urllib

    parts = urlsplit(url)
    proxies = getproxies()
    # Some systems give an answer of their own here, which is no bool.
    bypasses = bool(proxy_bypass(parts.hostname or ""))
    return not bypasses and (parts.scheme in proxies or "all" in proxies)


def state_directory(environment: Mapping[str, str] | None = None) -> Path:
    """Where this user's installation keeps what belongs to no collection (``$XDG_STATE_HOME``)."""
    variables = os.environ if environment is None else environment
    base = variables.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "ragkit"


def terminal_is_dumb(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal only types: no cursor, no styles, no links (``$TERM``)."""
    variables = os.environ if environment is None else environment
    return variables.get("TERM", "") in ("", "dumb")


def terminal_wants_color(environment: Mapping[str, str] | None = None) -> bool:
    """Whether a terminal is to be written to in bold and colours (``$TERM``, ``$NO_COLOR``)."""
    variables = os.environ if environment is None else environment
    return not terminal_is_dumb(variables) and not variables.get("NO_COLOR")


def worker_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for processes that parse strangers' files: nothing named like a secret."""
    variables = os.environ if environment is None else environment
    return {
        name: value
        for name, value in variables.items()
        if not any(word in name.upper() for word in _SECRET_WORDS)
    }


def _key(base_url: str | None, variables: Mapping[str, str]) -> Secret | None:
    to_openrouter = base_url is None or base_url.rstrip("/") == OPENROUTER_URL
    value = variables.get("OPENROUTER_API_KEY" if to_openrouter else "RAGKIT_API_KEY", "").strip()
    return Secret(value) if value else None


def _file_values(directory: Path) -> dict[str, object]:
    for path, table in (
        (directory / "ragkit.toml", ()),
        (directory / "pyproject.toml", ("tool", "ragkit")),
    ):
        try:
            content: object = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read as TOML: {error}") from error
        for key in table:
            content = content.get(key, {}) if isinstance(content, dict) else {}
        if isinstance(content, dict) and content:
            return {key: _checked(path, key, value) for key, value in content.items()}
    return {}


def _checked(path: Path, key: str, value: object) -> object:
    if key == "api_key":
        raise ConfigurationError(
            f"{path} holds an api_key: keys belong in OPENROUTER_API_KEY or RAGKIT_API_KEY,"
            " not in files"
        )
    if key not in _FROM_FILE:
        raise ConfigurationError(
            f"{path} sets {key!r}; the settings are {', '.join(sorted(_FROM_FILE))}"
        )
    if key == "models":
        return described(value, str(path))
    if key == "input_type":
        if (
            isinstance(value, list)
            and len(value) == 2
            and all(isinstance(item, str) for item in value)
        ):
            return tuple(value)
        raise ConfigurationError(
            f"{path}: input_type is a list of two words, for query and document"
        )
    kinds: dict[str, tuple[type, ...]] = {
        "provider": (dict,),
        "dimensions": (int,),
        "passage_tokens": (int,),
        "workers": (int,),
        "file_memory_mib": (int,),
        "max_file_mib": (int,),
        "concurrency": (int,),
        "file_timeout_s": (int, float),
        "requests_per_minute": (int, float),
        "tokens_per_minute": (int, float),
        "request_timeout_s": (int, float),
        "rerank_timeout_s": (int, float),
        "mask": (list,),
    }
    expected = kinds.get(key, (str,))
    if not isinstance(value, expected) or isinstance(value, bool):
        raise ConfigurationError(f"{path}: {key} = {value!r} is not of type {expected[0].__name__}")
    if isinstance(value, list):
        return tuple(map(str, value))
    if isinstance(value, (int, float)) and value <= 0:
        raise ConfigurationError(f"{path}: {key} = {value!r} must be greater than 0")
    return value
