"""Quantised ONNX models, QDQ or QOperator, to their normal form.

`reader` reads a file that may be anything, `model_graph` checks its structure, `normalize` brings
its operations into the form of `normal`; `workloads.onnx_graph` makes a graph of that.

On the way to the form a tensor's name stands for one of `entries`: a floating-point result waits
for the quantisation that decides what its node yields, and `emitter` makes the node when that
comes. `float_operators`, `qoperator`, `integers`, `moving` and `qdq` hold the model's operators.
"""
