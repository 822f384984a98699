"""What trained LSTM models are asked, beside the peers: forward alone, and the score of lines.

Each library loads a model of its own kind: rnnkit a checkpoint, ONNX Runtime what `rnnkit export`
wrote, PyTorch its own modules.
"""
