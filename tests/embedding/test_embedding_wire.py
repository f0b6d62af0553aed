"""Requests and replies without I/O: every check that guards against wrong vectors."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ragkit.embedding.failures import BadReply, ServerError, excerpt
from ragkit.embedding.wire import Reply, RequestForm, build_request, parse_reply


def body_of(*vectors: object, **root: object) -> bytes:
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    return json.dumps({"object": "list", "data": data, "model": "m", **root}).encode()


def parse(
    body: bytes, *, expected: int = 2, width: int | None = None
) -> Reply | ServerError | BadReply:
    return parse_reply(200, {}, body, expected=expected, width=width)


def good(body: bytes, *, expected: int = 2, width: int | None = None) -> Reply:
    reply = parse(body, expected=expected, width=width)
    assert isinstance(reply, Reply), reply
    return reply


def test_request_is_canonical_and_says_no_more_than_it_must() -> None:
    """The body is the same to the byte for the same request, and leaves out what is not set."""
    body = build_request(["b", "ä\n"], RequestForm(model="m"))
    assert body == '{"encoding_format":"float","input":["b","ä\\n"],"model":"m"}'.encode()


def test_request_carries_every_field_that_is_set() -> None:
    """Dimensions, encoding, input type, route and user stand in the body, nested keys sorted."""
    form = RequestForm(
        model="m",
        dimensions=256,
        encoding_format="base64",
        input_type="query",
        provider={"only": ["x"], "allow_fallbacks": False},
        user="u",
    )
    assert build_request(["t"], form) == (
        b'{"dimensions":256,"encoding_format":"base64","input":["t"],"input_type":"query",'
        b'"model":"m","provider":{"allow_fallbacks":false,"only":["x"]},"user":"u"}'
    )


def test_vectors_become_unit_rows_in_the_order_of_the_texts() -> None:
    """Rows follow the index, not the order of arrival, and have length one."""
    data = [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 4]}]
    reply = good(json.dumps({"data": data}).encode())
    assert reply.vectors.dtype == np.float32
    np.testing.assert_allclose(reply.vectors, np.array([[0.6, 0.8], [0.0, 1.0]]), rtol=1e-7)


def test_position_counts_where_no_vector_has_an_index() -> None:
    """Servers that leave the index out answer in order."""
    reply = good(b'{"data":[{"embedding":[1,0]},{"embedding":[0,1]}]}')
    np.testing.assert_array_equal(reply.vectors, np.eye(2))


def test_bill_provider_and_model_are_read() -> None:
    """Tokens, the exact cost, who answered and under which name come with the vectors."""
    usage = {"prompt_tokens": 7, "total_tokens": 9, "cost": 1.4e-07, "is_byok": False}
    reply = good(body_of([1], [1], usage=usage, provider="Nebius"))
    assert (reply.tokens, reply.cost_usd) == (7, Decimal("1.4e-07"))
    assert (reply.provider, reply.model) == ("Nebius", "m")


@pytest.mark.parametrize(
    "usage", [None, {}, [], "x", {"prompt_tokens": None}, {"prompt_tokens": -1, "cost": -1}]
)
def test_a_missing_or_odd_bill_does_not_cost_the_vectors(usage: object) -> None:
    """Vectors that were paid for are kept although the usage cannot be read."""
    reply = good(body_of([1], [1], usage=usage))
    assert (reply.tokens, reply.cost_usd) == (None, None)


@given(
    npst.arrays(
        np.float32,
        npst.array_shapes(min_dims=2, max_dims=2, max_side=8),
        elements=st.floats(-1e6, 1e6, width=32).filter(lambda x: abs(x) > 1e-6),
    )
)
@settings(deadline=None, max_examples=40)
def test_numbers_and_base64_give_the_same_bits(matrix: np.ndarray) -> None:
    """Either encoding of a vector is accepted, whatever was asked, and decodes to the same."""
    texts = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in matrix]
    numbers = [[float(value) for value in row] for row in matrix]
    first = good(body_of(*texts), expected=len(matrix))
    second = good(body_of(*numbers), expected=len(matrix))
    np.testing.assert_array_equal(first.vectors, second.vectors)
    np.testing.assert_allclose(np.linalg.norm(first.vectors, axis=1), 1, rtol=1e-6)


def test_a_vector_has_the_same_bits_alone_and_in_any_batch() -> None:
    """Normalising does not depend on what else is in the reply."""
    matrix = np.random.default_rng(7).normal(size=(33, 1537)).astype(np.float32)
    texts = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in matrix]
    together = good(body_of(*texts), expected=33).vectors
    alone = np.vstack([good(body_of(text), expected=1).vectors for text in texts])
    np.testing.assert_array_equal(together, alone)


def test_vectors_too_long_or_short_for_squares_in_float32_are_normalised() -> None:
    """Norms are taken in float64, so that neither 1e30 nor 1e-30 is mistaken."""
    reply = good(body_of([3e30, 4e30], [3e-30, 4e-30]))
    np.testing.assert_allclose(reply.vectors, [[0.6, 0.8]] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (body_of([1, 0]), "1 vectors for 2 texts"),
        (body_of([1, 0], [0, 1], [1, 1]), "3 vectors for 2 texts"),
        (body_of(), "0 vectors for 2 texts"),
        (b'{"object":"list"}', "no data"),
        (b'{"data":[{"index":0,"embedding":[1]},{"embedding":[1]}]}', "only 1 of 2"),
        (b'{"data":[{"index":1,"embedding":[1]},{"index":1,"embedding":[1]}]}', "0 to 1"),
        (b'{"data":[{"index":1,"embedding":[1]},{"index":2,"embedding":[1]}]}', "0 to 1"),
        (b'{"data":[{"index":-1,"embedding":[1]},{"index":0,"embedding":[1]}]}', "0 to 1"),
        (body_of([1, 0], [1]), "vectors of 2 and of 1 numbers"),
        (body_of([1, 0], []), "without numbers"),
        (body_of([1, 0], [0, 0]), "vector 1 is zero"),
        (body_of([1, 0], [1e39, 0]), "vector 1 has a number that is not finite"),
        (body_of([1, 0], ["1", 0]), "not made of numbers"),
        (body_of([1, 0], [None, 0]), "not made of numbers"),
        (body_of([1, 0], [True, 0]), "not made of numbers"),
        (body_of([1, 0], None), "not made of numbers"),
        (body_of([1, 0], [[1, 0]]), "not made of numbers"),
        (body_of([1, 0], "@@@@"), "not made of numbers"),
        (body_of([1, 0], "AAAAAAA="), "no float32"),
        (b'{"data":[{"index":0,"embedding":[NaN]},{"index":1,"embedding":[1]}]}', "not an embed"),
        (b'{"data":[{"index":0,"embedding":[0.1', "not an embed"),
        (b'{"data":[{"index":0},{"index":1}]}', "not an embed"),
        (b'{"data":{"index":0}}', "not an embed"),
        (b"", "not an embed"),
        (b"null", "not an embed"),
        (b"[" * 5000, "not an embed"),
        (b'{"data":[{"index":0,"embedding":"\xff"},{"index":1,"embedding":[1]}]}', "not made"),
        (b"<html><body>Bad gateway</body></html>", "Bad gateway"),
    ],
)
def test_a_reply_with_any_flaw_is_discarded_whole(body: bytes, reason: str) -> None:
    """Count, indexes, widths, numbers, finiteness and norm: one flaw and nothing is used."""
    reply = parse(body)
    assert isinstance(reply, BadReply), reply
    assert reason in reply.reason


def test_the_width_that_was_learnt_is_demanded() -> None:
    """Vectors of another model or route are refused, and their width is told."""
    reply = parse(body_of([1, 0], [0, 1]), width=3)
    assert isinstance(reply, BadReply)
    assert (reply.reason, reply.width) == ("vectors of 2 numbers instead of 3", 2)


def test_a_discarded_reply_still_tells_what_it_cost() -> None:
    """Money spent on a bad reply is not forgotten."""
    reply = parse(body_of([1, 0], usage={"prompt_tokens": 5, "total_tokens": 5, "cost": 0.25}))
    assert isinstance(reply, BadReply)
    assert (reply.tokens, reply.cost_usd) == (5, Decimal("0.25"))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, '{"error":{"code":429,"message":"slow"}}', (429, False, 429, "slow")),
        (200, '{"error":{"code":404,"message":"No one"}}', (404, True, 404, "No one")),
        (200, '{"error":{"message":"odd"},"data":[]}', (502, True, None, "odd")),
        (200, '{"error":"just words"}', (502, True, None, "just words")),
        (200, '{"error":{"code":"rate_limit_exceeded","message":"m"}}',
         (429, True, "rate_limit_exceeded", "m")),
        (200, '{"error":{"code":"503","message":"m"}}', (503, True, "503", "m")),
        (200, '{"object":"error","message":"flat","code":400}', (400, True, 400, "flat")),
        (200, '{"detail":"loading"}', (502, True, None, "loading")),
        (503, '{"error":{"http_status":503,"message":"later"}}', (503, False, 503, "later")),
        (422, '{"message":"batch size 64 > maximum","code":422,"type":"Validation"}',
         (422, False, 422, "batch size 64 > maximum")),
        (400, '{"detail":[{"loc":["input"],"msg":"bad"}]}',
         (400, False, None, '[{"loc":["input"],"msg":"bad"}]')),
        (502, "<html>\n <b>Bad   gateway</b></html>",
         (502, False, None, "a web page, 'Bad gateway'")),
        (404, "<!doctype html><title>Not\n Found | R</title><p>x", (404, False, None,
         "a web page, 'Not Found | R'")),
        (404, "<>", (404, False, None, "a web page")),
        (500, "", (500, False, None, "")),
        (400, '{"error":{"code":true,"message":["x"]}}',
         (400, False, None, '{"error":{"code":true,"message":["x"]}}')),
    ],
)  # fmt: skip
def test_errors_of_every_shape_are_read(
    status: int, body: str, expected: tuple[object, ...]
) -> None:
    """Nested, flat, worded, in a reply of 200, as a page: status, code and message are found."""
    error = parse_reply(status, {}, body.encode(), expected=1, width=None)
    assert isinstance(error, ServerError)
    assert (error.status, error.in_reply, error.code, error.message) == expected


def test_what_an_error_says_about_another_try_is_read() -> None:
    """Availability, metadata and headers of an error reach the policy."""
    body = {
        "error": {
            "message": "full",
            "http_status": 429,
            "availability": {"code": "capacity_exhausted", "retryable": True, "retry_after": 3},
            "metadata": {
                "error_type": "provider_overloaded",
                "headers": {"X-RateLimit-Reset": "9"},
            },
        }
    }
    error = parse_reply(429, {"X-Own": "1"}, json.dumps(body).encode(), expected=1, width=None)
    assert isinstance(error, ServerError)
    assert (error.retry_after_s, error.retryable, error.availability) == (
        3.0,
        True,
        "capacity_exhausted",
    )
    assert (error.kind, error.headers) == (
        "provider_overloaded",
        {"x-own": "1", "x-ratelimit-reset": "9"},
    )
    for said, retryable in (("true", True), ("False", False), ("maybe", None)):
        headers = {"x-should-retry": said}
        plain = parse_reply(500, headers, b"{}", expected=1, width=None)
        assert isinstance(plain, ServerError)
        assert plain.retryable is retryable


@given(st.binary(max_size=300), st.sampled_from([200, 400, 502]))
@settings(deadline=None, max_examples=100)
def test_no_body_raises(body: bytes, status: int) -> None:
    """Whatever comes back becomes a value."""
    reply = parse_reply(status, {}, body, expected=1, width=None)
    assert isinstance(reply, BadReply | ServerError)


def test_foreign_text_is_cut_and_tamed() -> None:
    """A message has one line, a readable length, and nothing that a terminal would obey."""
    assert excerpt("a\r\n\tb\x1b[31mred\x00") == "a b[31mred"
    assert excerpt("x" * 500) == "x" * 199 + "…"
    assert excerpt(b"\xff\xfe caf\xc3\xa9") == "�� café"
