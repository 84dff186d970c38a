"""Convolutional networks as quantised ONNX models, built from published topologies."""
