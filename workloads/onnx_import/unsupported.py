"""What to do instead of what is not supported."""

from __future__ import annotations

from typing import NoReturn

from workloads.onnx_import.messages import fail, quoted
from workloads.onnx_import.model_graph import MICROSOFT, Operation

_STATICALLY = "quantise statically: onnxruntime.quantization.quantize_static, format QDQ"
_INSTEAD = {
    "DynamicQuantizeLinear": f"scales must be known before; {_STATICALLY}",
    "DynamicQuantizeMatMul": f"scales must be known before; {_STATICALLY}",
    "DynamicQuantizeLSTM": f"scales must be known before; {_STATICALLY}",
    "MatMulIntegerToFloat": f"scales must be known before; {_STATICALLY}",
    "If": "resolve conditions before exporting",
    "Loop": "unroll loops before exporting",
    "Scan": "unroll loops before exporting",
    "ConvTranspose": "use Resize (nearest) and Conv",
    "Upsample": "convert the model to opset 13, where it is Resize",
    "InstanceNormalization": "use LayerNormalization",
    "GroupNormalization": "use LayerNormalization",
    "RMSNormalization": "use LayerNormalization",
    "LogSoftmax": "use Softmax",
    "Hardmax": "leave it to what reads the model's output",
    "ArgMax": "leave it to what reads the model's output",
    "ArgMin": "leave it to what reads the model's output",
    "TopK": "leave it to what reads the model's output",
    "NonMaxSuppression": "leave it to what reads the model's output",
    "ReduceSum": "use ReduceMean",
    "ReduceMax": "use MaxPool",
    "GatherElements": "use Gather with constant indices",
    "GatherND": "use Gather with constant indices",
    "Expand": "Add and Mul broadcast by themselves",
    "Tile": "use Concat",
    "PRelu": "use LeakyRelu",
    "Einsum": "use Transpose, Reshape and MatMul",
    "Attention": "use MatMul and Softmax",
    "QAttention": f"quantise before ONNX Runtime fuses it; {_STATICALLY}",
    "FusedConv": "quantise before ONNX Runtime optimises the model",
    "FusedMatMul": "quantise before ONNX Runtime optimises the model",
    "FusedGemm": "quantise before ONNX Runtime optimises the model",
    "SkipLayerNormalization": "quantise before ONNX Runtime optimises the model",
    "FastGelu": "use Gelu with approximate = tanh",
    "LSTM": "only feed-forward networks are supported",
    "GRU": "only feed-forward networks are supported",
    "RNN": "only feed-forward networks are supported",
}
"""By operator: the nearest way that is supported."""


def refuse_operator(operation: Operation) -> NoReturn:
    """Raise an AssayError about an operator that is not supported."""
    if operation.domain not in ("", MICROSOFT):
        fail(
            operation,
            f"operators of domain {quoted(operation.domain)} are not supported: replace it by "
            "ONNX's own",
        )
    instead = _INSTEAD.get(
        operation.op,
        "express it by products, element-wise operators, pooling and movements, or leave it to the "
        "host",
    )
    fail(operation, f"this operator is not supported: {instead}")
