"""A collection's change of mind: another model, other dimensions, another size of passages."""

from __future__ import annotations

import contextlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ragkit.collection.arguments import dollars_of
from ragkit.collection.expenses import Expenses
from ragkit.collection.models import (
    agreed_settings,
    fingerprint_of,
    is_local,
    make_embedder,
    screen_of,
    stored_settings,
)
from ragkit.config import OPENROUTER_URL, Secret, Settings, key_for
from ragkit.embedding.seam import Embedder
from ragkit.errors import CollectionError, FingerprintMismatch, InvalidArgument
from ragkit.models.fingerprint import Fingerprint
from ragkit.retrieval.late import LateEmbedder
from ragkit.storage.installation import installation_key
from ragkit.storage.servers import is_named, name_server
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.staging import PREVIOUS_SETTING
from ragkit.storage.store import Store
from ragkit.sync.pricing import Pricer

if TYPE_CHECKING:
    from ragkit.collection.collection import Collection
    from ragkit.maintenance.migrate import Migration
    from ragkit.reports import SyncPlan, SyncReport
    from ragkit.sync.progress import ProgressListener

__all__ = ["Migrations", "Target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a collection's vectors are to be made by; None leaves a thing as it is.

    Attributes:
        model: Its name. Another model begins with its own dimensions, route and input types.
        base_url: Root of its API. A model stays with the server of the one before, so that no text
            goes to another without its being named; OpenRouter is named by its own address.
        api_key: For that server, instead of the environment's.
        dimensions: Width of the vectors.
        provider: OpenRouter's routing preferences.
        input_type: (query, document), for models that the catalogue does not know.
        passage_tokens: Size that passages aim at, in cl100k tokens.
        back: All that it was before the last migration; nothing else may be given with it.
    """

    model: str | None = None
    base_url: str | None = None
    api_key: str | None = None
    dimensions: int | None = None
    provider: Mapping[str, object] | None = None
    input_type: tuple[str, str] | None = None
    passage_tokens: int | None = None
    back: bool = False

    def settings(self, own: Settings, snapshot: Snapshot) -> Settings:
        """The settings of the collection after the migration, from those before.

        Raises:
            InvalidArgument: Nothing is asked for, or a way back and something else.
            CollectionError: There is no way back.
            FingerprintMismatch: The way back leads to prompts that this ragkit does not use.
        """
        if replace(self, api_key=None) == Target():
            raise InvalidArgument(
                "there is nothing to migrate to: name a model, dimensions or a passage size"
            )
        if self.back:
            if replace(self, api_key=None, back=False) != Target():
                raise InvalidArgument("a way back leads to what was: name nothing else with it")
            return self._with_key(_previous(own, snapshot), own)
        base = own
        if self.model is not None and self.model != own.model:
            base = replace(own, dimensions=None, provider=None, input_type=None)
            if self.model.startswith("local/"):
                base = replace(base, base_url=None)
        # Not the setting of a file, which may ask for another size than it has.
        size: int | None = snapshot.setting("passage_tokens", None)
        to_openrouter = (self.base_url or "").rstrip("/") == OPENROUTER_URL
        target = replace(
            base,
            model=self.model or own.model,
            base_url=None if to_openrouter else self.base_url or base.base_url,
            dimensions=base.dimensions if self.dimensions is None else self.dimensions,
            provider=self.provider or base.provider,
            input_type=self.input_type or base.input_type,
            passage_tokens=size if self.passage_tokens is None else self.passage_tokens,
            server_is_named=own.server_is_named or self.base_url is not None,
        )
        if self.base_url is not None:
            name_server(self.base_url)
        return self._with_key(target, own)

    def _with_key(self, target: Settings, own: Settings) -> Settings:
        if not target.server_is_named:
            return target.with_key(None)
        if self.api_key is not None:
            return target.with_key(Secret(self.api_key))
        same = target.base_url == own.base_url and own.api_key is not None
        return target if same else target.with_key(key_for(target.base_url))


class Migrations(ABC):
    """The part of ``Collection`` that makes all of its vectors anew."""

    _store: Store
    _settings: Settings
    _read_only: bool
    _expenses: Expenses

    @abstractmethod
    def _expect(self, settings: Settings) -> None:
        """Be ready for searches whose generation has the vectors of other settings."""

    @abstractmethod
    def _adopt(self, settings: Settings) -> None:
        """Go on with other settings: the collection has switched to them."""

    def plan_migration(
        self,
        *,
        model: str | None = None,
        base_url: str | None = None,
        dimensions: int | None = None,
        provider: Mapping[str, object] | None = None,
        input_type: tuple[str, str] | None = None,
        passage_tokens: int | None = None,
        back: bool = False,
    ) -> SyncPlan:
        """What ``migrate`` would do, and what it would cost; no text is sent, nothing is written.

        Raises:
            InvalidArgument: Nothing is asked for.
            CollectionError: It holds nothing yet, or there is no way back.
        """
        target = Target(
            model=model,
            base_url=base_url,
            dimensions=dimensions,
            provider=provider,
            input_type=input_type,
            passage_tokens=passage_tokens,
            back=back,
        )
        settings = self._settings_for(target)
        with self._migration(settings, None) as (migration, pricer):
            return migration.plan(pricer.price)

    def migrate(
        self,
        *,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        provider: Mapping[str, object] | None = None,
        input_type: tuple[str, str] | None = None,
        passage_tokens: int | None = None,
        back: bool = False,
        stage_only: bool = False,
        max_cost_usd: float | Decimal | None = None,
        wait_s: float = 0.0,
        progress: ProgressListener | None = None,
        stop: threading.Event | None = None,
    ) -> SyncReport:
        """Embed the whole collection anew by another model, or in passages of another size.

        No file is read: the documents are those that it holds. Searches go on meanwhile, and one
        commit switches to the new vectors. Those that arrived are kept whatever happens, so that
        the same call goes on where an interrupted one ended. Until ``compact`` the old vectors are
        kept as well, and ``back=True`` costs nothing for texts that did not change since.

        Other collection objects that are open on this directory keep to the model that they were
        opened with, and say so at their next call: open them again.

        Args:
            model: As for ``ragkit.open``; it stays with the server of the one before, unless it is
                the embedded one.
            base_url: Of another server; ``https://openrouter.ai/api/v1`` for OpenRouter.
            api_key: Instead of the environment's.
            dimensions: Width of the vectors.
            provider: OpenRouter's routing preferences.
            input_type: (query, document), for models that the catalogue does not know.
            passage_tokens: Size that passages aim at, in cl100k tokens.
            back: Return to what it was before the last migration.
            stage_only: Hold the new vectors ready for ``staged``; the same call without this
                switches to them. Indexing files that changed drops them, and keeps the vectors.
            max_cost_usd: The most that this call may spend.
            wait_s: How long to wait for another writer.
            progress: Told how far it is.
            stop: Set it to end early. Without one, Ctrl-C does the same, and KeyboardInterrupt is
                raised when all that arrived is kept.

        Raises:
            InvalidArgument: Nothing is asked for.
            CollectionLocked: Another process writes.
            CollectionError: It is opened read-only, holds nothing yet, or there is no way back.
            EmbeddingError: The texts cannot be embedded now; what arrived is kept.
            KeyboardInterrupt: After Ctrl-C.
        """
        from ragkit.sync.interrupt import stop_on_interrupt  # noqa: PLC0415

        if self._read_only:
            raise CollectionError(
                f"{self._store.directory} was opened read-only: open it without read_only"
            )
        target = Target(
            model=model,
            base_url=base_url,
            api_key=api_key,
            dimensions=dimensions,
            provider=provider,
            input_type=input_type,
            passage_tokens=passage_tokens,
            back=back,
        )
        settings = self._settings_for(target)
        self._expect(settings)
        with (
            contextlib.nullcontext(stop) if stop is not None else stop_on_interrupt() as event,
            self._migration(settings, dollars_of(max_cost_usd)) as (migration, _),
        ):
            report = migration.run(
                stage_only=stage_only, wait_s=wait_s, listener=progress, stop=event
            )
        if report.stopped is None and not stage_only:
            self._adopt(settings)
        if stop is None and report.stopped == "interrupted":
            raise KeyboardInterrupt
        return report

    def staged(self) -> Collection:
        """What the collection would be after the switch, to be searched, evaluated and compared.

        What its searches cost is noted in this collection's ledger.

        Raises:
            NothingStaged: No migration holds a generation ready.
        """
        from ragkit.collection.collection import Collection  # noqa: PLC0415 - it is made of this

        # Not the store's read_only: what its questions cost belongs in the ledger.
        store = Store(self._store.directory, create=False, read_only=self._read_only, staged=True)
        with store.snapshot() as snapshot:
            own = replace(self._settings, model=None, base_url=None, dimensions=None)
            own = replace(own, provider=None, input_type=None, passage_tokens=None)
            settings = agreed_settings(store.directory, snapshot, own, own, key_is_given=False)
            if settings.base_url == self._settings.base_url:
                settings = replace(settings, server_is_named=self._settings.server_is_named)
                if self._settings.api_key is not None:
                    settings = settings.with_key(self._settings.api_key)
        return Collection(store, settings, read_only=True, expenses=self._expenses)

    def _settings_for(self, target: Target) -> Settings:
        with self._store.snapshot() as snapshot:
            return target.settings(self._settings, snapshot)

    @contextlib.contextmanager
    def _migration(
        self, settings: Settings, max_cost_usd: Decimal | None
    ) -> Iterator[tuple[Migration, Pricer]]:
        from ragkit.maintenance.migrate import Migration  # noqa: PLC0415 - loads the pipeline

        pricer = Pricer(settings)

        def make() -> Embedder:
            if max_cost_usd is None or is_local(settings):
                return make_embedder(settings)
            with self._store.snapshot() as snapshot:
                listed = pricer.listed(snapshot)
            return make_embedder(settings, max_cost_usd, listed)

        with contextlib.closing(LateEmbedder(make)) as embedder:
            migration = Migration(
                store=self._store,
                embedder=embedder,
                profile=settings.profile,
                identity=_plain(stored_settings(settings)),
                key=installation_key(),
                screen=screen_of(settings),
                learnt=pricer.learnt,
            )
            yield migration, pricer


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """As the database gives them back: a pair comes back as a list."""
    plain: dict[str, object] = json.loads(json.dumps(values))
    return plain


def _previous(own: Settings, snapshot: Snapshot) -> Settings:
    kept: dict[str, object] = snapshot.setting(PREVIOUS_SETTING, {})
    if not kept:
        raise CollectionError(
            "there is no way back: the collection was not migrated, or compacted since; name the"
            " model to go to"
        )
    mark = Fingerprint.from_json(str(kept["fingerprint"]))
    pair, url = kept["input_type"], str(kept["base_url"]) or None
    settings = replace(
        own,
        model=mark.model,
        base_url=url,
        server_is_named=url is None
        or is_named(url)
        or (url == own.base_url and own.server_is_named),
        dimensions=mark.dimensions,
        provider=kept["provider"],  # type: ignore[arg-type]
        input_type=None if not isinstance(pair, list) else (str(pair[0]), str(pair[1])),
        passage_tokens=int(str(kept["passage_tokens"])),
    )
    if fingerprint_of(settings) != mark:
        raise FingerprintMismatch(
            f"the vectors before the last migration were made with other prompts for {mark.model}"
            " than this ragkit uses: name a model to go to"
        )
    return settings
