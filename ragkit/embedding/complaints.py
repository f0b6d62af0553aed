"""What a failure is called when it ends the work: what happened, where, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from ragkit.embedding.failures import BadReply, ServerError
from ragkit.embedding.waits import spoken_s
from ragkit.errors import (
    AllowanceSpent,
    AuthenticationFailed,
    ConfigurationError,
    EmbeddingError,
    MalformedReply,
    ModelUnavailable,
    OutOfCredit,
    RequestRejected,
    ServerUnreachable,
)

__all__ = ["Target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Who is asked for what.

    Attributes:
        model: Name of the model.
        url: Of the server's API.
        key_variable: Environment variable that holds its key.
    """

    model: str
    url: str
    key_variable: str

    def forbidden(self, error: ServerError) -> EmbeddingError:
        """401 and 403."""
        if error.status == 403 and error.availability is not None:
            return self.unavailable(error)
        return AuthenticationFailed(
            f"{self.url} refuses the key ({_said(error)}): set {self.key_variable} to a valid one"
        )

    def no_credit(self, error: ServerError) -> EmbeddingError:
        """402, and quotas that are used up."""
        return OutOfCredit(
            f"no credit left at {self.url} ({_said(error)}): add credit or raise the key's limit, "
            "then run again to continue"
        )

    def unavailable(self, error: ServerError) -> EmbeddingError:
        """404, 405, and what else says that nobody serves the model."""
        if error.is_page:
            return ModelUnavailable(
                f"{self.url} has no embeddings API ({_said(error)}): check the base URL, which"
                " usually ends with /v1"
            )
        return ModelUnavailable(
            f"{self.model} is not served at {self.url} ({_said(error)}): check the model's name, "
            "the base URL, and what `provider` excludes"
        )

    def takes_no_pictures(self, error: ServerError) -> str:
        """Why a picture has no vector, for the report."""
        return (
            f"{self.model} at {self.url} takes no pictures ({_said(error)}): choose a model that"
            " takes images"
        )

    def rejected(self, error: ServerError) -> EmbeddingError:
        """A request that stays wrong whatever its texts are."""
        return RequestRejected(
            f"{self.url} refuses requests for {self.model} ({_said(error)}): check the settings "
            "that it names"
        )

    def ignores_dimensions(self, width: int, asked: int) -> EmbeddingError:
        """A width that was asked for and not given."""
        return RequestRejected(
            f"{self.model} at {self.url} answers with {width} dimensions where {asked} were asked "
            "for: leave `dimensions` out, or choose a model that can be cut"
        )

    def malformed(self, reply: BadReply) -> EmbeddingError:
        """Answers that fail a check, each time."""
        return MalformedReply(
            f"{self.url} gave no usable vectors for {self.model} ({reply.reason}): check that the "
            "base URL is that of an embeddings API"
        )

    def states_no_cost(self) -> ConfigurationError:
        """A budget at a server whose bills nobody can read."""
        return ConfigurationError(
            f"max_cost_usd cannot be kept: {self.url} does not say what it charges; leave it out "
            "and watch the cost there"
        )

    def unsendable(self, reason: str) -> EmbeddingError:
        """A request that the HTTP client refuses."""
        return RequestRejected(f"cannot ask {self.url} ({reason}): check the base URL")

    def gave_up(self, attempts: int, reason: str) -> EmbeddingError:
        """No answer, after the last attempt."""
        times = f"{attempts} attempts" if attempts > 1 else "one attempt"
        return ServerUnreachable(
            f"no answer from {self.url} after {times} ({reason}): check that the server runs and "
            "that the base URL is right, then run again to continue"
        )

    def out_of_time(self, run_s: float) -> EmbeddingError:
        """A deadline that has passed."""
        return ServerUnreachable(
            f"stopped after {run_s:g} s, as asked, before {self.url} had answered everything: run "
            "again to continue"
        )

    def waits_too_long(
        self, error: ServerError, stated_s: float | None, waited_s: float
    ) -> EmbeddingError:
        """A limit of rate that outlasts the patience."""
        if stated_s is not None:
            return AllowanceSpent(
                f"{self.url} permits no more requests for {spoken_s(stated_s)} ({_said(error)}): "
                "run again then to continue"
            )
        return ServerUnreachable(
            f"{self.url} asks to wait more after {waited_s:.0f} s of waiting ({_said(error)}): "
            "run again later to continue"
        )


def _said(error: ServerError) -> str:
    return f"{error.status}: {error.message}" if error.message else f"{error.status}"
