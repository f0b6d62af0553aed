"""Pictures as inputs: what is sent for them, what is refused, and what their vectors are."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
import zlib
from decimal import Decimal
from pathlib import Path

import loopback
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import LoopbackServer
from loopback_faults import Fault, error_body
from loopback_pictures import PALETTE, picture

from ragkit.embedding.asynchronous import AsyncOpenRouterEmbedder
from ragkit.embedding.batches import Batcher
from ragkit.embedding.budget import Budget
from ragkit.embedding.images import EmbedInput, ImageInput, data_url
from ragkit.embedding.limits import BatchLimits
from ragkit.embedding.local import LocalEmbedder
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.errors import BudgetSpent, InputRejected
from ragkit.models.catalogue import profile

COLOURS = ("red", "green", "blue", "yellow")


def embedder(server: LoopbackServer, model: str = "test/pictures") -> OpenRouterEmbedder:
    return OpenRouterEmbedder(model, api_key=loopback.KEY, base_url=server.base_url, concurrency=4)


def bodies(server: LoopbackServer) -> list[dict[str, object]]:
    return [json.loads(request.body) for request in server.ledger.requests]


def inputs_of(server: LoopbackServer, number: int = 0) -> list[object]:
    listed = bodies(server)[number]["input"]
    assert isinstance(listed, list)
    return listed


def test_texts_and_pictures_lie_in_one_space(embedding_server: LoopbackServer) -> None:
    """A text that names what a picture shows is nearest to it, whatever the order of the inputs."""
    inputs: list[EmbedInput] = [ImageInput(image=picture(colour)) for colour in COLOURS]
    inputs[2:2] = ["nothing of that"] * 3
    with embedder(embedding_server) as client:
        rows = client.embed_documents(inputs)
        queries = client.embed_documents([f"something {colour}" for colour in COLOURS])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)
    assert (queries @ rows.T).argmax(axis=1).tolist() == [0, 1, 5, 6]


def test_the_inputs_of_a_request_have_one_form(embedding_server: LoopbackServer) -> None:
    """Texts are strings, pictures are objects with parts, and they never share a request."""
    inputs: list[EmbedInput] = []
    for number in range(20):
        inputs += [
            f"text {number}",
            ImageInput(image=picture("red", number=number), text="caption"),
        ]
    with embedder(embedding_server) as client:
        client.embed_documents(inputs)
    forms = [{type(item) for item in inputs_of(embedding_server, n)} for n in range(6)]
    assert all(len(form) == 1 for form in forms)
    assert sum(embedding_server.ledger.answered.values()) == 40
    pictures = [item for body in bodies(embedding_server) for item in body["input"]  # type: ignore[attr-defined]
                if isinstance(item, dict)]  # fmt: skip
    first = pictures[0]["content"]
    assert first[0] == {"type": "text", "text": "caption"}
    assert first[1]["image_url"]["url"].startswith("data:image/png;base64,")


@given(
    kinds=st.lists(st.booleans(), max_size=60),
    most=st.integers(1, 9),
    most_pictures=st.integers(1, 5),
)
@settings(max_examples=100, deadline=None)
def test_every_input_comes_in_one_batch_of_its_form(
    kinds: list[bool], most: int, most_pictures: int
) -> None:
    """Nothing is lost, doubled or mixed, and no batch is larger than it may be."""
    inputs: list[EmbedInput] = [
        ImageInput(image=f"https://example.org/{n}.png") if is_picture else f"text {n}"
        for n, is_picture in enumerate(kinds)
    ]
    batcher = Batcher(inputs, prompt="p: ", limits=BatchLimits(inputs=96))
    seen: list[int] = []
    while batch := batcher.next_batch(most, most_pictures):
        forms = {bool(entry.image_url) for entry in batch}
        assert len(forms) == 1
        assert len(batch) <= (most_pictures if True in forms else most)
        indexes = [entry.index for entry in batch]
        assert indexes == sorted(indexes)
        seen += indexes
    assert sorted(seen) == list(range(len(inputs)))


def test_https_urls_pass_through(embedding_server: LoopbackServer) -> None:
    """The server loads them itself, and the picture has the vector that its bytes have."""
    url = "https://example.org/red.png?size=2"
    embedding_server.addresses[url] = picture("red")
    with embedder(embedding_server) as client:
        row = client.embed_documents([ImageInput(image=url)])[0]
        query = client.embed_query("red")
    assert inputs_of(embedding_server) == [
        {"content": [{"type": "image_url", "image_url": {"url": url}}]}
    ]
    assert float(row @ query) > 0.5


def test_a_file_is_sent_upright_small_and_without_metadata(
    embedding_server: LoopbackServer, tmp_path: Path
) -> None:
    """At most 1024 pixels and 512 KiB, turned as EXIF says, with no place and no camera in it."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Secret camera"
    wide = PIL.Image.effect_noise((3000, 1500), 90).convert("RGB")
    wide.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    with embedder(embedding_server) as client:
        client.embed_documents([ImageInput(image=tmp_path / "photo.jpg")])
    url = inputs_of(embedding_server)[0]["content"][0]["image_url"]["url"]  # type: ignore[index]
    content = base64.b64decode(url.partition(",")[2])
    assert PIL.Image.open(io.BytesIO(content)).size == (512, 1024)
    assert len(content) <= 512 * 1024
    assert b"Secret" not in content


def test_a_picture_has_one_vector_in_either_role(embedding_server: LoopbackServer) -> None:
    """A picture as a query is embedded as a document is, which some models insist on."""
    model = "nvidia/llama-nemotron-embed-vl-1b-v2:free"
    with embedder(embedding_server, model) as client:
        stored = client.embed_documents([ImageInput(image=picture("blue"))])[0]
        asked = client.embed_query(ImageInput(image=picture("blue")))
        client.embed_query("blue")
    np.testing.assert_array_equal(stored, asked)
    assert [body["input_type"] for body in bodies(embedding_server)] == [
        "passage",
        "passage",
        "query",
    ]


def test_prompts_belong_to_words(embedding_server: LoopbackServer) -> None:
    """The model's prompt stands before a caption, and a picture without words has none."""
    with embedder(embedding_server, "google/gemini-embedding-2") as client:
        client.embed_documents(
            [ImageInput(image=picture("red")), ImageInput(image=picture("red"), text="A pump")]
        )
    contents = [item["content"] for n in (0, 1) for item in inputs_of(embedding_server, n)]  # type: ignore[index]
    assert [len(content) for content in contents] == [1, 2]
    assert contents[1][0]["text"] == "title: none | text: A pump"


def bomb(side_px: int) -> bytes:
    """A PNG that says of itself that it is huge."""
    head = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (picture("red")[:60], "damaged picture"),
        (b"no picture", "damaged picture, or none of PNG, JPEG, WebP and GIF"),
        (bomb(30_000), "more than 89 megapixels"),
        (Path("/nowhere/x.png"), "'/nowhere/x.png' cannot be opened: No such file"),
        ("http://example.org/x.png", "give an https URL"),
        ("https://exa mple.org/x.png", "give an https URL"),
        ("data:text/plain;base64,AAAA", "a data URL that is no picture"),
        ("data:image/png;base64," + "A" * 2_000_000, "over 1,400,000 characters"),
    ],
)
def test_what_cannot_be_sent_is_refused_here(
    image: str | bytes | Path, reason: str, embedding_server: LoopbackServer
) -> None:
    """Each has its one clear reason, names its input, and nothing of it is sent."""
    with (
        embedder(embedding_server) as client,
        pytest.raises(InputRejected, match=reason) as caught,
    ):
        client.embed_documents(["a text", ImageInput(image=image)])
    assert caught.value.index == 1
    assert all(isinstance(item, str) for body in bodies(embedding_server) for item in body["input"])  # type: ignore[attr-defined]


def test_one_bad_picture_leaves_the_others(embedding_server: LoopbackServer) -> None:
    """The server's refusal is narrowed down to the picture that it is about."""
    inputs = [ImageInput(image=picture("red", number=number)) for number in range(9)]
    tiny = data_url(picture("red", (9, 6)), "image/png")
    inputs[4] = ImageInput(image=tiny)
    with embedder(embedding_server) as client:
        batches = list(client.embed(inputs, role="document"))
    failed = [item for batch in batches for item in batch.failed]
    assert [index for index, _ in failed] == [4]
    assert "(9, 6) is below 8 pixels" in failed[0][1]
    assert sorted(i for batch in batches for i in batch.indexes) == [0, 1, 2, 3, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_image", 400),
        ("image_too_large", 400),
        ("image_too_small", 400),
        ("unsupported_image_format", 400),
        ("image_download_failed", 400),
        ("image_not_found", 404),
    ],
)
def test_each_refusal_of_a_picture_is_about_that_picture(
    kind: str, status: int, embedding_server: LoopbackServer
) -> None:
    """None of them ends the work, a 404 neither, and none is asked again."""
    body = error_body(status, f"said {kind}", metadata={"error_type": kind})
    embedding_server.script(Fault(kind="status", status=status, body=body), at=[1])
    inputs: list[EmbedInput] = [ImageInput(image=picture("red")), "a text"]
    with embedder(embedding_server) as client:
        batches = list(client.embed(inputs, role="document"))
    assert [item for batch in batches for item in batch.failed] == [
        (0, f"refused by the server ({status}): said {kind}")
    ]
    assert [i for batch in batches for i in batch.indexes] == [1]
    assert len(embedding_server.ledger.requests) == 2


def test_addresses_that_the_server_cannot_load_are_told_apart(
    embedding_server: LoopbackServer,
) -> None:
    """Not there, and not to be had, each with the server's words."""
    gone = "https://example.org/gone.png"
    embedding_server.addresses[gone] = b""
    for url, said in ((gone, "404"), ("https://example.org/dark.png", "cannot download")):
        with embedder(embedding_server) as client, pytest.raises(InputRejected, match=said):
            client.embed_documents([ImageInput(image=url)])


def test_a_model_of_text_is_never_sent_a_picture(embedding_server: LoopbackServer) -> None:
    """The catalogue knows better than to ask; texts go on."""
    inputs: list[EmbedInput] = [ImageInput(image=picture("red")), "a text"]
    model = "openai/text-embedding-3-small"
    with embedder(embedding_server, model) as client:
        with pytest.raises(
            InputRejected, match="takes text only: choose a model that takes images"
        ):
            client.embed_documents(inputs)
        batches = list(client.embed(inputs, role="document"))
    assert [i for batch in batches for i in batch.indexes] == [1]
    assert not any("picture" in asked for asked in embedding_server.ledger.asked)
    assert LocalEmbedder().embed_documents(["a text"]).shape == (1, 384)
    with pytest.raises(InputRejected, match="takes text only"):
        LocalEmbedder().embed_documents(inputs)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "No endpoints found that support image input"),
        (400, "This model does not support images"),
        (400, "'input' field must be a string or an array of strings"),
        (422, "Input should be a valid string"),
    ],
)
def test_a_server_that_takes_no_pictures_is_asked_once(
    status: int, message: str, embedding_server: LoopbackServer
) -> None:
    """One request tells; the other pictures are reported, not sent, and all texts are embedded."""
    embedding_server.quirks.no_pictures_status = status
    embedding_server.quirks.no_pictures_message = message
    inputs: list[EmbedInput] = [f"text {number}" for number in range(30)]
    inputs[3:3] = [ImageInput(image=picture("red", number=number)) for number in range(20)]
    with embedder(embedding_server, "test/small") as client:
        batches = list(client.embed(inputs, role="document"))
    postponed = [item for batch in batches for item in batch.postponed]
    assert sorted(index for index, _ in postponed) == list(range(3, 23))
    assert {reason for _, reason in postponed} == {
        f"test/small at {embedding_server.base_url} takes no pictures ({status}: {message}):"
        " choose a model that takes images"
    }
    assert sum(len(batch.indexes) for batch in batches) == 30
    assert [request.status for request in embedding_server.ledger.requests].count(status) == 1


def test_a_picture_that_went_in_as_text_is_noticed(embedding_server: LoopbackServer) -> None:
    """The first bill is a thousand times too high: its vector is thrown away, no other is sent."""
    embedding_server.quirks.reads_pictures_as_text = True
    noise = io.BytesIO()
    PIL.Image.effect_noise((700, 700), 90).convert("RGB").save(noise, "JPEG")
    inputs: list[EmbedInput] = [ImageInput(image=noise.getvalue())] * 12
    inputs.append("a text")
    with embedder(embedding_server, "test/small") as client:
        batches = list(client.embed(inputs, role="document"))
    postponed = [item for batch in batches for item in batch.postponed]
    assert len(postponed) == 12
    assert "the server took a picture for text: it billed" in postponed[0][1]
    assert [i for batch in batches for i in batch.indexes] == [12]
    assert sum("picture" in asked for asked in embedding_server.ledger.asked.elements()) == 1
    billed = sum((batch.cost_usd for batch in batches), Decimal(0))
    assert billed == embedding_server.ledger.cost_usd > 0


def test_the_first_picture_goes_alone(embedding_server: LoopbackServer) -> None:
    """Nothing else is in flight until its bill is seen; after that they go six at a time."""
    inputs = [ImageInput(image=picture("red", number=number)) for number in range(13)]
    with embedder(embedding_server) as client:
        client.embed_documents(inputs)
    first, second = embedding_server.ledger.requests[:2]
    assert first.inputs == 1
    assert second.started_s >= first.ended_s
    assert sorted(request.inputs for request in embedding_server.ledger.requests) == [1, 6, 6]


def test_a_limit_of_pictures_is_learnt(embedding_server: LoopbackServer) -> None:
    """Where the server says how many it takes, that is obeyed, for pictures alone."""
    refused = Fault(
        kind="status", status=400, body=error_body(400, "at most 2 images in one batch of inputs")
    )
    embedding_server.script(refused, at=[2])
    inputs: list[EmbedInput] = [
        ImageInput(image=picture("red", number=number)) for number in range(9)
    ]
    with embedder(embedding_server) as client:
        client.embed_documents(inputs)
        client.embed_documents([f"text {number}" for number in range(20)])
    requests = sorted(embedding_server.ledger.requests, key=lambda request: request.number)
    sizes = [request.inputs for request in requests]
    assert sizes[:2] == [1, 6]
    assert max(sizes[2:-1]) == 2
    assert sizes[-1] == 20


def test_a_budget_holds_for_pictures(embedding_server: LoopbackServer) -> None:
    """Money is put aside for what a picture may cost, and what is spent stays within it."""
    price = Decimal("0.00000002")
    limit = price * 258 * 5
    inputs = [ImageInput(image=picture("red", number=number)) for number in range(40)]
    done: list[int] = []
    with embedder(embedding_server).with_budget(Budget(limit)) as client:
        batches = client.embed(inputs, role="document")
        with pytest.raises(BudgetSpent, match="stopped before passing max_cost_usd"):
            done.extend(index for batch in batches for index in batch.indexes)
    assert 3 <= len(set(done)) == len(done) < 40
    assert embedding_server.ledger.cost_usd <= limit


def test_awaited_pictures_are_the_same(embedding_server: LoopbackServer) -> None:
    """The asynchronous shell takes what the other takes."""

    async def run() -> float:
        async with AsyncOpenRouterEmbedder(embedder(embedding_server)) as client:
            rows = await client.embed_documents([ImageInput(image=picture("green"))])
            query = await client.embed_query("green")
        return float(rows[0] @ query)

    assert asyncio.run(run()) > 0.5


def test_a_repr_shows_no_picture() -> None:
    """Megabytes of base64 stay out of logs and tracebacks."""
    assert repr(ImageInput(image=picture("red"), text="A pump")) == "ImageInput(text='A pump')"


def test_the_catalogue_knows_who_takes_pictures() -> None:
    """The families that OpenRouter lists with images, and no others."""
    names = {
        "google/gemini-embedding-2": True,
        "nvidia/llama-nemotron-embed-vl-1b-v2:free": True,
        "voyageai/voyage-multimodal-3.5": True,
        "openai/text-embedding-3-large": False,
        "voyageai/voyage-4": False,
    }
    assert {name: profile(name).takes_images for name in names} == names
    assert set(COLOURS) < set(PALETTE)
