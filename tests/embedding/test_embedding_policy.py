"""The table from failure to decision, row by row, and the waits that servers state."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit.embedding.complaints import Target
from ragkit.embedding.decisions import (
    Attempt,
    Decision,
    DropDimensions,
    Reject,
    Shrink,
    Split,
    Stop,
    Wait,
)
from ragkit.embedding.failures import BadReply, Failure, NoReply, ServerError
from ragkit.embedding.policy import Policy
from ragkit.embedding.waits import Patience, backoff_s, stated_wait_s
from ragkit.errors import (
    AllowanceSpent,
    AuthenticationFailed,
    EmbeddingError,
    MalformedReply,
    ModelUnavailable,
    OutOfCredit,
    RequestRejected,
    ServerUnreachable,
)

NOW_S = 1_790_000_000.0
TARGET = Target(model="a/b", url="https://host/v1", key_variable="OPENROUTER_API_KEY")


class _Highest(random.Random):
    """Jitter at its upper end, so that a decision is one value."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


POLICY = Policy(target=TARGET, patience=Patience(), jitter=_Highest())
FIRST = Attempt(number=1, size=8, now_s=NOW_S)


def decide(failure: Failure, attempt: Attempt = FIRST) -> Decision:
    return POLICY.decide(failure, attempt)


def error(status: int, message: str = "m", **more: object) -> ServerError:  # fields of the error
    return replace(ServerError(status=status, message=message), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (error(401), AuthenticationFailed, "set OPENROUTER_API_KEY to a valid one"),
        (error(403), AuthenticationFailed, "refuses the key"),
        (error(402), OutOfCredit, "add credit"),
        (error(429, code="insufficient_quota"), OutOfCredit, "add credit"),
        (error(404), ModelUnavailable, "a/b is not served at https://host/v1"),
        (error(405), ModelUnavailable, "check the model's name"),
        (error(400, availability="model_not_found"), ModelUnavailable, "is not served"),
        (error(400, availability="wrong_endpoint"), ModelUnavailable, "is not served"),
        (error(403, availability="region_restricted"), ModelUnavailable, "`provider` excludes"),
        (error(400, "Unsupported input_type 'x'"), RequestRejected, "Unsupported input_type"),
        (error(400, "matryoshka is not supported"), RequestRejected, "matryoshka"),
        (error(404, is_page=True), ModelUnavailable, "check the base URL, which usually ends"),
        (error(301), RequestRejected, "refuses requests for a/b"),
        (error(418), RequestRejected, "(418: m)"),
        (NoReply(kind="invalid", reason="bad scheme"), RequestRejected, "bad scheme"),
    ],
)
def test_what_no_repetition_mends_stops_at_once(
    failure: Failure, kind: type[EmbeddingError], words: str
) -> None:
    """Key, credit, model and settings end the work at the first answer, with what to do."""
    decision = decide(failure)
    assert isinstance(decision, Stop)
    assert type(decision.error) is kind
    assert words in str(decision.error)


@pytest.mark.parametrize("status", [408, 409, 424, 425, 500, 502, 503, 504, 520, 524])
def test_what_passes_is_waited_for_with_a_growing_bound(status: int) -> None:
    """Transient failures are tried again after up to 0.5, 1, 2 s … and not for ever."""
    single = replace(FIRST, size=1)
    assert decide(error(status), single) == Wait(seconds=0.5)
    assert decide(error(status), replace(single, number=3)) == Wait(seconds=2.0)
    last = decide(error(status), replace(single, number=6))
    assert isinstance(last, Stop)
    assert "no answer from https://host/v1 after 6 attempts" in str(last.error)
    assert isinstance(last.error, ServerUnreachable)


def test_an_overloaded_provider_is_left_alone_for_longer() -> None:
    """Twice as long as one that failed, and as long as it states."""
    assert decide(error(529)) == Wait(seconds=1.0)
    assert decide(error(529), replace(FIRST, number=3)) == Wait(seconds=4.0)
    assert decide(error(529, retry_after_s=1.0)) == Wait(seconds=1.15, everyone=True)


def test_an_error_in_a_reply_of_200_goes_by_its_own_code() -> None:
    """The inner 404 passes most of the time; a second remedy is to ask without dimensions."""
    inner = error(404, "No successful provider responses.", in_reply=True)
    assert decide(inner) == Wait(seconds=0.5)
    assert decide(inner, replace(FIRST, number=3)) == Wait(seconds=2.0)
    fourth = replace(FIRST, number=4)
    assert decide(inner, replace(fourth, dimensions_sent=True)) == DropDimensions()
    assert isinstance(decide(inner, fourth), Stop)


def test_a_limit_of_rate_makes_everyone_wait_as_told() -> None:
    """A stated wait is never cut short, gets a little jitter, and holds for all workers."""
    told = error(429, headers={"retry-after": "20"})
    assert decide(told) == Wait(seconds=20.5, everyone=True)
    assert decide(error(429, retry_after_s=3.0)) == Wait(seconds=3.35, everyone=True)
    assert decide(error(429)) == Wait(seconds=0.5, everyone=True)
    assert decide(error(503, headers={"retry-after": "1"})) == Wait(seconds=1.15, everyone=True)


def test_a_limit_of_rate_is_bounded_by_time_and_not_by_attempts() -> None:
    """A hundredth 429 waits on; a wait of hours stops the work and says so."""
    assert decide(error(429), replace(FIRST, limited=99)) == Wait(seconds=60.0, everyone=True)
    for attempt, header, said in (
        (FIRST, "32400", "9 hours"),
        (FIRST, "7200", "2 hours"),
        (replace(FIRST, waited_s=890.0), "20", "20 seconds"),
    ):
        decision = decide(error(429, headers={"retry-after": header}), attempt)
        assert isinstance(decision, Stop)
        assert f"permits no more requests for {said} (429: m): run again" in str(decision.error)
        assert isinstance(decision.error, AllowanceSpent)


def test_what_the_body_says_about_another_try_is_worth_more_than_the_status() -> None:
    """A retryable 404 is waited for, and a 503 that is not ends the work."""
    assert decide(error(404, retryable=True, retry_after_s=2.0)) == Wait(seconds=2.25)
    for status in (429, 500, 503):
        final = decide(error(status, retryable=False))
        assert isinstance(final, Stop)
        assert isinstance(final.error, ServerUnreachable)
    gone = decide(error(503, retryable=False, availability="model_unavailable_upstream"))
    assert isinstance(gone, Stop)
    assert isinstance(gone.error, ModelUnavailable)
    assert decide(error(400, retryable=False)) == Split()


def test_slow_batches_are_halved_at_the_second_failure() -> None:
    """A batch that times out would time out again; its halves go on counting."""
    second = replace(FIRST, number=2)
    slow: list[Failure] = [error(408), error(524), NoReply(kind="timeout", reason="slow")]
    for failure in slow:
        assert decide(failure) == Wait(seconds=0.5)
        assert decide(failure, second) == Split(seconds=1.0, keep_attempts=True)
        assert decide(failure, replace(second, size=1)) == Wait(seconds=1.0)


TOO_MANY_TOKENS = error(400, "Requested 416735 tokens, max 300000 tokens per request")
VOYAGE_TOKENS = error(400, "The max allowed tokens per submitted batch is 120000. Yours has 130000")
TOO_MANY_BYTES = error(413)
OF_WHOLE_REQUESTS = (TOO_MANY_TOKENS, VOYAGE_TOKENS, TOO_MANY_BYTES)


def test_limits_in_tokens_and_bytes_are_learnt_from_refusals() -> None:
    """Batches are closed earlier from then on, at the stated limit or at half of what was sent."""
    sent = replace(FIRST, size_bytes=3_000_000)
    assert decide(TOO_MANY_TOKENS, sent) == Shrink(limit=300_000, counts="tokens")
    assert decide(VOYAGE_TOKENS, sent) == Shrink(limit=120_000, counts="tokens")
    assert decide(TOO_MANY_BYTES, sent) == Shrink(limit=1_500_000, counts="bytes")
    stated = error(413, "Payload Too Large: limit is 2000000 bytes")
    assert decide(stated, sent) == Shrink(limit=2_000_000, counts="bytes")


@pytest.mark.parametrize(
    ("failure", "certain"),
    [
        (error(400, "something is wrong"), False),
        (error(422, "unprocessable"), False),
        (error(400, "maximum context length is 512 tokens"), True),
        (TOO_MANY_TOKENS, True),
        (error(400, kind="string_too_long"), True),
        (TOO_MANY_BYTES, True),
        (error(403, moderated=True), True),
        (error(400, moderated=True), True),
        (error(500, "input (900 tokens) is too large to process"), True),
    ],
)
def test_a_refused_batch_is_halved_down_to_the_one_text(
    failure: ServerError, certain: bool
) -> None:
    """The bad text is found without waiting, and refused alone with the server's words."""
    if failure not in OF_WHOLE_REQUESTS:
        assert decide(failure) == Split()
    decision = decide(failure, replace(FIRST, size=1))
    assert isinstance(decision, Reject)
    assert decision.certain is certain
    assert failure.message in decision.reason
    assert isinstance(decision.otherwise, RequestRejected)


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("at most 5 requests can be in one batch", 5),
        ("batch size is invalid, it should not be larger than 5", 5),
        ("batch size 64 > maximum allowed batch size 5", 5),
        ("input batch size 136 > maximum allowed batch size 5", 5),
        ("inputs: no more than 5", 5),
        ("Too many inputs", 4),
    ],
)
def test_the_most_texts_that_a_server_takes_is_learnt_from_its_words(
    message: str, limit: int
) -> None:
    """The number in a refusal is obeyed; without one the batch is halved for good."""
    assert decide(error(422, message)) == Shrink(limit=limit)


def test_dimensions_are_dropped_where_the_server_cannot_cut() -> None:
    """Naming the native width fails at some servers; asking without it does not."""
    refused = error(400, "Model does not support matryoshka representation")
    assert decide(refused, replace(FIRST, dimensions=64, dimensions_sent=True)) == DropDimensions()


def test_a_bad_reply_is_asked_for_again_then_halved_then_refused() -> None:
    """Two more tries, one of them at once, then the halves with one each, down to the one text."""
    bad = BadReply(reason="short")
    assert decide(bad) == Wait(seconds=0.0)
    assert decide(bad, replace(FIRST, number=2)) == Wait(seconds=0.5)
    third = replace(FIRST, number=3)
    assert decide(bad, third) == Split(keep_attempts=True)
    decision = decide(bad, replace(third, size=1))
    assert isinstance(decision, Reject)
    assert (decision.certain, decision.reason) == (False, "no usable vector: short")
    assert isinstance(decision.otherwise, MalformedReply)


def test_a_page_or_another_width_stops_after_three_tries() -> None:
    """No text is at fault when the server sends web pages or another model's vectors."""
    third = replace(FIRST, number=3)
    for bad in (BadReply(reason="page", is_page=True), BadReply(reason="wide", width=9)):
        decision = decide(bad, third)
        assert isinstance(decision, Stop)
        assert isinstance(decision.error, MalformedReply)
    ignored = decide(BadReply(reason="wide", width=9), replace(third, dimensions=4))
    assert isinstance(ignored, Stop)
    assert "answers with 9 dimensions where 4 were asked for" in str(ignored.error)


def test_a_server_that_never_answered_is_given_up_sooner() -> None:
    """A wrong URL should not take a minute to be reported; a server that worked gets longer."""
    refused = NoReply(kind="refused", reason="Connection refused")
    third = replace(FIRST, number=3)
    assert decide(refused, third) == Wait(seconds=2.0)
    decision = decide(refused, replace(third, reached=False))
    assert isinstance(decision, Stop)
    assert str(decision.error) == (
        "no answer from https://host/v1 after 3 attempts (Connection refused): check that the "
        "server runs and that the base URL is right, then run again to continue"
    )


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:30 GMT"}, 10.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:10 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"x-ratelimit-reset": "1790000012"}, 12.0),
        ({"x-ratelimit-reset": "1790000012500"}, 12.5),
        ({"x-ratelimit-reset": "12"}, 12.0),
        ({"x-ratelimit-reset": "6m0.5s"}, 360.5),
        ({"x-ratelimit-reset": "1h2m3s"}, 3723.0),
        ({"x-ratelimit-reset": "20ms"}, 0.02),
        ({"x-ratelimit-reset": "6 minutes"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-tokens": "90",
                "x-ratelimit-reset-tokens": "1h",
            },
            2.0,
        ),
        ({}, None),
    ],
)
def test_stated_waits_are_read_in_every_form(headers: dict[str, str], wait_s: float | None) -> None:
    """Seconds, milliseconds, dates, moments of reset and durations, and nothing out of noise."""
    assert stated_wait_s(headers, now_s=NOW_S) == (
        None if wait_s is None else pytest.approx(wait_s)
    )


@given(st.integers(1, 2000), st.randoms(use_true_random=False))
def test_backoff_is_full_jitter_below_a_bound(attempt: int, jitter: random.Random) -> None:
    """A wait lies between 0 and a bound that doubles up to a minute, however many the attempts."""
    assert 0 <= backoff_s(attempt, Patience(), jitter) <= min(60.0, 0.5 * 2.0 ** min(attempt, 99))
