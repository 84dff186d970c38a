"""The normal form of a quantised model to a graph of integer operators, and the edges of both.

`lowering` goes through the nodes; `lower_*` hold what becomes of each. `layouts` says how an ONNX
shape lies in a matrix, `builder` collects operators and tensors, `fusing` makes maps part of the
operators in front of them, and `edges` are what the host does.
"""
