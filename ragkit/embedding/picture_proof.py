"""Whether a server takes pictures as pictures: tried with one, believed on a plausible bill."""

from __future__ import annotations

import re
import threading
from typing import Final, Literal

from ragkit.embedding.batches import MOST_PICTURE_TOKENS
from ragkit.embedding.failures import BadReply, NoReply, ServerError
from ragkit.embedding.jobs import Job

__all__ = ["PictureProof", "refused_pictures"]

_AT_ONCE: Final = 6
_STATUSES: Final = frozenset({400, 404, 415, 422})
_ABOUT_ONE: Final = frozenset(
    {
        "invalid_image",
        "image_too_large",
        "image_too_small",
        "unsupported_image_format",
        "image_not_found",
        "image_download_failed",
    }
)
# "No endpoints found that support image input", "This model does not support images", "'input'
# field must be a string or an array of strings".
_ABOUT_ALL: Final = re.compile(
    r"support\w*\W+(?:\w+\W+){0,3}(?:image|picture|vision|multi-?modal)"
    r"|(?:image|vision|multi-?modal)\w*\W+(?:\w+\W+){0,4}(?:not|n't|un)\W*support"
    r"|(?:must be|should be|expected)\W+(?:an?\W+)?(?:valid\W+)?string|array of strings",
    re.IGNORECASE,
)


class PictureProof:
    """What is known of a server and pictures; shared by all streams of an embedder.

    A picture that is taken for text is billed as a token for each few of its base64 characters, a
    thousand times what it should cost, and its vector means nothing. So the first picture goes
    alone, with nothing else in flight, and no other follows unless its bill is that of a picture.

    Args:
        refusal: Why no picture is to be sent at all; None where nothing speaks against it.
    """

    def __init__(self, refusal: str | None = None) -> None:
        self.refusal = refusal
        self._given = refusal
        self.most_at_once = _AT_ONCE
        self._state: Literal["new", "trial", "proven"] = "new"
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether the first picture is under way."""
        return self._state == "trial"

    @property
    def is_proven(self) -> bool:
        """Whether pictures cost what pictures cost."""
        return self._state == "proven"

    @property
    def most(self) -> int:
        """How many pictures may stand in the next request."""
        return self.most_at_once if self.is_proven else 1

    def at_most(self, limit: int) -> None:
        """Learn that the server takes no more than so many pictures at once."""
        self.most_at_once = max(1, min(self.most_at_once, limit))

    def begin(self) -> None:
        """Another stream begins: what a server refused then it may take now."""
        self.refusal = self._given

    def sent(self) -> None:
        """A picture goes out."""
        with self._lock:
            if self._state == "new":
                self._state = "trial"

    def failed(self) -> None:
        """It was not answered, which tells nothing: the next one goes alone too."""
        with self._lock:
            if self._state == "trial":
                self._state = "new"

    def refuse(self, reason: str) -> None:
        """No picture is to be sent any more."""
        with self._lock:
            self.refusal = self.refusal or reason
            self._state = "new"

    def judge(self, job: Job, tokens: int | None) -> str | None:
        """Why the vectors of an answer are not those of pictures; None where they may be.

        Replies that state no tokens, and pictures that the server loads itself, tell nothing.
        """
        urls = [entry.image_url for entry in job.entries]
        words = sum(entry.size_bytes - len(entry.image_url) for entry in job.entries)
        as_text = (tokens or 0) > words + MOST_PICTURE_TOKENS * len(urls)
        if as_text and all(url.startswith("data:") for url in urls):
            reason = (
                f"the server took a picture for text: it billed {tokens:,} tokens for"
                f" {len(urls)} picture{'' if len(urls) == 1 else 's'}; choose a model or provider"
                " that takes images"
            )
            self.refuse(reason)
            return reason
        with self._lock:
            self._state = "proven"
        return None


def refused_pictures(failure: ServerError | BadReply | NoReply) -> Literal["one", "all"] | None:
    """Whether a server refuses a picture, or takes none at all; None where it says neither.

    Args:
        failure: Its answer to a request with pictures.
    """
    if not isinstance(failure, ServerError) or failure.status not in _STATUSES:
        return None
    if failure.kind in _ABOUT_ONE or failure.code in _ABOUT_ONE:
        return "one"
    return "all" if _ABOUT_ALL.search(failure.message) else None
