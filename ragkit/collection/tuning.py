"""A collection learns from questions how it is best searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from ragkit.collection.arguments import StrPath, dollars_of
from ragkit.collection.embedders import Embedders
from ragkit.collection.instruments import Instruments
from ragkit.collection.migration import Migrations
from ragkit.collection.models import is_local
from ragkit.collection.tuned import (
    TUNED_SETTING,
    Tuned,
    tuned_of,
    tuned_value,
)
from ragkit.config import Settings
from ragkit.errors import CollectionError
from ragkit.retrieval.settings import SearchSettings
from ragkit.storage.installation import installation_key
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store

if TYPE_CHECKING:
    from ragkit.evaluation.querysets import Question
    from ragkit.evaluation.tuning import Tuning

__all__ = ["Tunable"]


class Tunable(Instruments, Migrations):
    """The part of ``Collection`` that finds and keeps settings of its searches."""

    _store: Store
    _settings: Settings
    _read_only: bool
    _embedders: Embedders

    @property
    def tuned(self) -> Tuned | None:
        """What tuning found and the collection keeps; None where it keeps nothing."""
        with self._store.snapshot() as snapshot:
            return tuned_of(snapshot, installation_key)

    @property
    def search_settings(self) -> SearchSettings:
        """How it is searched where a search does not say otherwise."""
        with self._store.snapshot() as snapshot:
            return self._own_settings(snapshot)

    def _own_settings(self, snapshot: Snapshot) -> SearchSettings:
        tuned = tuned_of(snapshot, installation_key)
        return SearchSettings() if tuned is None else tuned.settings

    def tune(
        self,
        queries: StrPath | Sequence[Question],
        *,
        passage_tokens: Sequence[int] | None = None,
        rerank: str | None = None,
        max_cost_usd: float | Decimal | None = None,
        seed: int = 0,
        wait_s: float = 0.0,
        told: Callable[[str], None] | None = None,
    ) -> Tuning:
        """Find out how the collection is best searched, and whether that is more than luck.

        Weights are tried with every size of passages. Another size means to cut and embed all of
        it again, beside what is searched: with the embedded model that is done unasked as long as
        it takes no more than minutes, with another only within *max_cost_usd*. The vectors are
        kept until ``compact``, so that taking a size that was tried buys nothing again.

        Nothing changes before ``apply_tuning``.

        Args:
            queries: A JSONL file, or questions; better 100 than 20.
            passage_tokens: Sizes to try; none for what there is alone. None for 100, 200 and 400.
            rerank: Name of a reranking model to be tried on top of the best.
            max_cost_usd: The most to spend on other sizes of passages, and on reranking.
            seed: Decides which questions are held out together.
            wait_s: How long to wait for another writer.
            told: Is told what is being tried.

        Raises:
            PathNotFound: There is no such file.
            InvalidArgument: Fewer than 10 questions, or a size that cannot be.
            CollectionLocked: Another process writes, and other sizes are to be tried.
            KeyboardInterrupt: After Ctrl-C.
        """
        from ragkit.collection.trials import Trials  # noqa: PLC0415 - loads tiktoken

        trials = Trials(
            collection=self,
            left_usd=dollars_of(max_cost_usd),
            is_free=is_local(self._settings),
            wait_s=wait_s,
            told=told or (lambda _: None),
        )
        return trials.tuning(queries, passage_tokens, rerank, seed)

    def apply_tuning(self, tuning: Tuning, *, wait_s: float = 0.0) -> None:
        """Search as a tuning recommends from now on, whoever opens the collection.

        Where that takes another size of passages the collection migrates to it, which buys nothing
        that the tuning has not bought.

        Raises:
            CollectionError: It is opened read-only.
            CollectionLocked: Another process writes.
        """
        if tuning.passage_tokens != tuning.now.passage_tokens:
            self.migrate(passage_tokens=tuning.passage_tokens, wait_s=wait_s)
        self._keep(Tuned(settings=tuning.settings, basis=tuning.basis), wait_s)

    def reset_tuning(self, *, wait_s: float = 0.0) -> None:
        """Search in ragkit's own way again; passages keep their size.

        Raises:
            CollectionError: It is opened read-only.
            CollectionLocked: Another process writes.
        """
        self._keep(None, wait_s)

    def _keep(self, tuned: Tuned | None, wait_s: float) -> None:
        if self._read_only:
            raise CollectionError(
                f"{self._store.directory} was opened read-only: open it without read_only"
            )
        with self._store.writing(wait_s=wait_s) as writer:
            value: dict[str, object] = {}
            if tuned is not None and tuned.settings != SearchSettings():
                value = tuned_value(tuned, writer.snapshot(), installation_key())
            writer.set({TUNED_SETTING: value})
