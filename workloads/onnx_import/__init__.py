"""Quantised ONNX models, QDQ or QOperator, to graphs of integer operators."""
