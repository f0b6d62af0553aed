"""Make the shipped model and tokenizer from the published weights; see README.md beside this file.

The graph is written operator by operator rather than exported: exporters need PyTorch, name nodes
after their own version, and do not know the operators that are fastest for this model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float32]
Attributes = Mapping[str, int | float | list[int]]
NONE: Attributes = MappingProxyType({})

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

LAYERS, HEADS, WIDTH = 6, 12, 384
# The published limit of the model in pieces, [CLS] and [SEP] among them; the weights hold 512 rows.
POSITIONS = 256
EPSILON = 1e-12

# Zero points of activations in 8 bits, in 7, and in 8 after GELU, whose least value is -0.17.
ZERO, ZERO_7, ZERO_GELU, GELU_LEAST = 128, 64, 16, 0.17

# Neurons added to each feed-forward layer by split_neurons; the kernels work in steps of 64.
COPIES = 64


def read_safetensors(path: Path) -> dict[str, Floats]:
    """The tensors of a file by name; only float32, which is all that the weights hold."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise SystemExit(f"{path} has sha256 {digest}, the published weights {WEIGHTS_SHA256}")
    start = 8 + int.from_bytes(content[:8], "little")
    return {
        name: np.frombuffer(content[start:][slice(*entry["data_offsets"])], "<f4").reshape(
            entry["shape"]
        )
        for name, entry in json.loads(content[8:start]).items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


def quantised(values: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Each row as -127..127 and the scale that brings it back."""
    scale = np.abs(values).max(axis=1) / np.float32(127)
    return np.round(values / scale[:, None]).astype(np.int8), scale


def quantised_in_pairs(values: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """The same for weights that meet activations of 8 bits.

    x86 before VNNI adds the products of two neighbours in 16 bits, where 255 times the sum of two
    weights of one sign must stay: such sums go up to 128. Activations of 7 bits ask for nothing.
    """
    pairs = values.reshape(len(values), -1, 2)
    sums = np.abs(pairs.sum(axis=2)) * (np.prod(pairs, axis=2) > 0)
    # Rounding adds one to a sum at most.
    scale = np.maximum(np.abs(values).max(axis=1), sums.max(axis=1)) / np.float32(127)
    return np.round(values / scale[:, None]).astype(np.int8), scale


def split_neurons(inner: Floats, bias: Floats, outer: Floats) -> tuple[Floats, Floats, Floats]:
    """Share out the neurons with the largest outgoing weights over copies of themselves.

    A weight 38 times as large as the others of its row would leave these 3 bits of the 8. Copies
    of a neuron that share its outgoing weights compute the same and bring the largest down.
    """
    copies = np.ones(len(bias), np.int64)
    typical = np.sqrt(np.mean(np.square(outer), axis=1))[:, None]
    reach = np.max(np.abs(outer) / typical, axis=0)
    for _ in range(COPIES):
        copies[np.argmax(reach / copies)] += 1
    taken = np.repeat(np.arange(len(bias)), copies)
    outer = (outer[:, taken] / copies[taken]).astype(np.float32)
    # The largest beside the smallest: quantised_in_pairs wants small sums.
    reach = np.max(np.abs(outer) / np.abs(outer).max(axis=1, keepdims=True), axis=0)
    ranked = np.argsort(-reach, kind="stable")
    order = np.stack([ranked[: len(ranked) // 2], ranked[::-1][: len(ranked) // 2]], 1).reshape(-1)
    return inner[taken][order], bias[taken][order], outer[:, order]


class Rounded(NamedTuple):
    """Names of activations as whole numbers, and of what brings them back."""

    whole: str
    scale: str
    flat: str
    zeros: str
    zero: int


class Graph:
    """Collects nodes and constants; each method adds a node and gives the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: Array) -> str:
        """A stored tensor; one name is stored once."""
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def scalar(self, value: np.generic) -> str:
        """A stored number."""
        name = f"{value.dtype}.{value}"
        self.constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def add(
        self,
        operator: str,
        name: str,
        inputs: list[str],
        attributes: Attributes = NONE,
        domain: str = "",
    ) -> str:
        """An operator with one result."""
        node = helper.make_node(operator, inputs, [name], name, domain=domain)
        node.attribute.extend(
            helper.make_attribute(key, value) for key, value in sorted(attributes.items())
        )
        self.nodes.append(node)
        return name

    def fused(
        self, operator: str, name: str, inputs: list[str], attributes: Attributes = NONE
    ) -> str:
        """An operator of ONNX Runtime's own."""
        return self.add(operator, name, inputs, attributes, "com.microsoft")

    def rounded(self, name: str, source: str, zero: int = ZERO) -> Rounded:
        """Activations (pieces, in) as whole numbers.

        A row's own scale keeps its result free of the rows beside it, which one scale for the
        whole batch does not. After GELU the zero point may lie low, so that nearly all of the
        range serves the positive side.
        """
        after_gelu = zero == ZERO_GELU
        size = source if after_gelu else self.add("Abs", f"{name}.abs", [source])
        largest = self.add("ReduceMax", f"{name}.max", [size], {"axes": [-1], "keepdims": 1})
        step = self.scalar(np.float32(1 / (63 if zero == ZERO_7 else 255 - zero)))
        wanted = self.add("Mul", f"{name}.wanted", [largest, step])
        least = self.scalar(np.float32(GELU_LEAST / ZERO_GELU if after_gelu else 1e-9))
        return self.at_scale(name, source, self.add("Max", f"{name}.scale", [wanted, least]), zero)

    def at_scale(self, name: str, source: str, scale: str, zero: int) -> Rounded:
        """Activations as whole numbers in steps of *scale* (pieces, 1)."""
        all_rows = self.constant("rows", np.array([-1], np.int64))
        flat = self.add("Reshape", f"{name}.flat", [scale, all_rows])
        count = self.add("Shape", f"{name}.count", [flat])
        zeros = self.add("Expand", f"{name}.zeros", [self.scalar(np.uint8(zero)), count])
        whole = self.add("QuantizeLinear", f"{name}.whole", [source, flat, zeros], {"axis": 0})
        return Rounded(whole, scale, flat, zeros, zero)

    def in_two_parts(self, name: str, source: str, pieces: Rounded) -> tuple[Rounded, Rounded]:
        """The same activations as 7 upper and 7 lower bits."""
        wider = self.scalar(np.float32(127 / 63))
        upper_scale = self.add("Mul", f"{name}.upper.scale", [pieces.scale, wider])
        upper = self.at_scale(f"{name}.upper", source, upper_scale, ZERO_7)
        inputs = [upper.whole, upper.flat, upper.zeros]
        back = self.add("DequantizeLinear", f"{name}.back", inputs, {"axis": 0})
        left = self.add("Sub", f"{name}.left", [source, back])
        finer = self.scalar(np.float32(1 / 126))
        lower_scale = self.add("Mul", f"{name}.lower.scale", [upper_scale, finer])
        return upper, self.at_scale(f"{name}.lower", left, lower_scale, ZERO_7)

    def linear(self, name: str, source: Rounded, weight: str) -> str:
        """Multiply whole numbers by the weights of that name, and scale back.

        The sums are exact: no batch, no thread and no processor changes them.
        """
        one, zero = self.scalar(np.float32(1)), self.scalar(np.uint8(source.zero))
        inputs = [source.whole, f"{weight}.weight", one, f"{weight}.scales", zero]
        product = self.fused("MatMulIntegerToFloat", f"{name}.product", inputs)
        return self.add("Mul", name, [product, source.scale])

    def weight(self, name: str, weight: Floats, *, meets_7_bits: bool = False) -> str:
        """Weights (out, in) in 8 bits, a scale for each output."""
        whole, scales = (quantised if meets_7_bits else quantised_in_pairs)(weight)
        self.constant(f"{name}.weight", whole.T)
        self.constant(f"{name}.scales", scales)
        return name

    def normalised(self, name: str, source: str, gain: Floats, shift: Floats) -> str:
        """Layer normalisation over the last axis."""
        inputs = [
            source,
            self.constant(f"{name}.gain", gain),
            self.constant(f"{name}.shift", shift),
        ]
        return self.add("LayerNormalization", name, inputs, {"epsilon": EPSILON})


def embedded(graph: Graph, weights: dict[str, Floats]) -> str:
    """Word plus position (pieces, width). Words stay in 8 bits until the rows in use are picked."""
    whole, scales = quantised(weights["embeddings.word_embeddings.weight"])
    table, scale = graph.constant("words", whole), graph.constant("words.scales", scales[:, None])
    rows = graph.add("Gather", "word", [table, "ids"])
    floats = graph.add("Cast", "word.float", [rows], {"to": TensorProto.FLOAT})
    words = graph.add(
        "Mul", "word.scaled", [floats, graph.add("Gather", "word.scale", [scale, "ids"])]
    )
    length = graph.add("Shape", "length", ["ids"], {"start": 1, "end": 2})
    start = graph.constant("start", np.zeros(1, np.int64))
    # The type embedding is the same for every piece of a single text: it goes into the positions.
    positions = weights["embeddings.position_embeddings.weight"][:POSITIONS]
    table = graph.constant(
        "positions", positions + weights["embeddings.token_type_embeddings.weight"][0]
    )
    place = graph.add("Slice", "place", [table, start, length, start])
    total = graph.add("Add", "placed", [words, place])
    flat = graph.add(
        "Reshape", "placed.flat", [total, graph.constant("flat", np.array([-1, WIDTH]))]
    )
    gain, shift = (weights[f"embeddings.LayerNorm.{part}"] for part in ("weight", "bias"))
    return graph.normalised("embedded", flat, gain, shift)


def attention(graph: Graph, weights: dict[str, Floats], name: str, source: str) -> str:
    """Self-attention with its residual, before the normalisation.

    Neither the bias of the keys nor that of the values is added piece by piece: the first moves
    all scores of a query alike, and the second, since shares sum to 1, passes through to the
    output, whose own bias takes it up.
    """
    pieces = graph.rounded(f"{name}.in", source)
    of_query = graph.weight(f"{name}.query", weights["self.query.weight"])
    query = graph.linear(f"{of_query}.plain", pieces, of_query)
    bias = graph.constant(f"{name}.query.bias", weights["self.query.bias"])
    query = graph.add("Add", f"{name}.query", [query, bias])
    of_key = graph.weight(f"{name}.key", weights["self.key.weight"])
    key = graph.linear(of_key, pieces, of_key)
    # Every piece looks at [CLS] and [SEP], so that the rounding errors of their values do not
    # average out: values are worth more bits.
    of_value = graph.weight(f"{name}.value", weights["self.value.weight"], meets_7_bits=True)
    upper, lower = graph.in_two_parts(f"{name}.in", source, pieces)
    halves = [
        graph.linear(f"{of_value}.upper", upper, of_value),
        graph.linear(f"{of_value}.lower", lower, of_value),
    ]
    value = graph.add("Add", of_value, halves)
    parts = [
        graph.add("Reshape", f"{part}.texts", [part, "texts.shape"]) for part in (query, key, value)
    ]
    mixed = graph.fused(
        "MultiHeadAttention", f"{name}.mixed", [*parts, "", "mask"], {"num_heads": HEADS}
    )
    flat = graph.add("Reshape", f"{name}.mixed.rows", [mixed, "flat"])
    out = weights["output.dense.weight"]
    passed = out @ weights["self.value.bias"] + weights["output.dense.bias"]
    pieces = graph.rounded(f"{name}.mixed.in", flat, ZERO_7)
    result = graph.linear(
        f"{name}.out", pieces, graph.weight(f"{name}.out", out, meets_7_bits=True)
    )
    biased = graph.add("Add", f"{name}.biased", [result, graph.constant(f"{name}.bias", passed)])
    return graph.add("Add", f"{name}.sum", [biased, source])


def feed_forward(graph: Graph, weights: dict[str, Floats], name: str, source: str) -> str:
    """Two linear layers around GELU with their residual, before the normalisation.

    The few wide columns of the input are evened out first, and the weights take up the difference:
    otherwise they would set the step of their row for all the others.
    """
    gain, shift = (weights[f"attention.output.LayerNorm.{part}"] for part in ("weight", "bias"))
    reach = 3 * np.abs(gain) + np.abs(shift)
    # Measured: powers of 0.5 and 1 leave 5% more error.
    even = ((np.median(reach) / reach) ** 0.75).astype(np.float32)
    evened = graph.add("Mul", f"{name}.evened", [source, graph.constant(f"{name}.even", even)])
    inner, bias, outer = split_neurons(
        weights["intermediate.dense.weight"] / even,
        weights["intermediate.dense.bias"],
        weights["output.dense.weight"],
    )
    pieces = graph.rounded(f"{name}.in", evened)
    wide = graph.linear(f"{name}.wide", pieces, graph.weight(f"{name}.wide", inner))
    active = graph.fused(
        "BiasGelu", f"{name}.gelu", [wide, graph.constant(f"{name}.wide.bias", bias)]
    )
    pieces = graph.rounded(f"{name}.gelu", active, ZERO_GELU)
    narrow = graph.linear(f"{name}.out", pieces, graph.weight(f"{name}.out", outer))
    last = graph.constant(f"{name}.bias", weights["output.dense.bias"])
    biased = graph.add("Add", f"{name}.biased", [narrow, last])
    return graph.add("Add", f"{name}.sum", [biased, source])


def layer(graph: Graph, weights: dict[str, Floats], number: int, source: str) -> str:
    """Attention and feed-forward, each normalised; *weights* are those of the layer."""
    of_attention = {
        name.removeprefix("attention."): value
        for name, value in weights.items()
        if name.startswith("attention.")
    }
    total = attention(graph, of_attention, f"{number}.attention", source)
    gain, shift = (of_attention[f"output.LayerNorm.{part}"] for part in ("weight", "bias"))
    middle = graph.normalised(f"{number}.middle", total, gain, shift)
    total = feed_forward(graph, weights, f"{number}.forward", middle)
    gain, shift = (weights[f"output.LayerNorm.{part}"] for part in ("weight", "bias"))
    return graph.normalised(f"{number}.end", total, gain, shift)


def pooled(graph: Graph, source: str) -> None:
    """Sum the pieces of each text and scale to length 1; the mean differs only in its length."""
    texts = graph.add("Reshape", "end.texts", [source, "texts.shape"])
    one = graph.constant("one", np.ones(1, np.int64))
    floats = graph.add("Cast", "mask.float", ["mask"], {"to": TensorProto.FLOAT})
    total = graph.add("MatMul", "total", [graph.add("Unsqueeze", "mask.row", [floats, one]), texts])
    flat = graph.add("Squeeze", "total.flat", [total, one])
    graph.add("LpNormalization", "vectors", [flat], {"axis": 1, "p": 2})


def model(weights: dict[str, Floats]) -> onnx.ModelProto:
    """The whole model: ids and mask, int32 (texts, pieces), to vectors, float32 (texts, 384)."""
    graph = Graph()
    shape = graph.add("Shape", "ids.shape", ["ids"])
    width = graph.constant("width", np.array([WIDTH]))
    graph.add("Concat", "texts.shape", [shape, width], {"axis": 0})
    hidden = embedded(graph, weights)
    for number in range(LAYERS):
        prefix = f"encoder.layer.{number}."
        own = {
            name.removeprefix(prefix): value
            for name, value in weights.items()
            if name.startswith(prefix)
        }
        hidden = layer(graph, own, number, hidden)
    pooled(graph, hidden)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, ["texts", "pieces"])
        for name in ("ids", "mask")
    ]
    outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", WIDTH])]
    constants = list(graph.constants.values())
    return helper.make_model(
        helper.make_graph(graph.nodes, "all-minilm-l6-v2", inputs, outputs, constants),
        producer_name="ragkit",
        doc_string="sentence-transformers/all-MiniLM-L6-v2 in 8 bits; Apache-2.0",
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
    )


def tokenizer(published: Path) -> str:
    """The published tokenizer without its padding, its cut and its markers.

    Without the markers a text that holds the word [SEP] is read as written and cannot end itself.
    """
    content = json.loads(published.read_text(encoding="utf-8"))
    content |= {"truncation": None, "padding": None, "added_tokens": [], "post_processor": None}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def main() -> None:
    """Write both files and print their sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="folder with model.safetensors, tokenizer.json")
    parser.add_argument("out", type=Path, nargs="?", default=Path(__file__).parents[1] / "minilm")
    arguments = parser.parse_args()
    weights = read_safetensors(arguments.weights / "model.safetensors")
    products = {
        "model.onnx": model(weights).SerializeToString(deterministic=True),
        "tokenizer.json": tokenizer(arguments.weights / "tokenizer.json").encode(),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, content in products.items():
        (arguments.out / name).write_bytes(content)
        print(f"{hashlib.sha256(content).hexdigest()}  {len(content):>9}  {name}")


if __name__ == "__main__":
    main()
