"""What other libraries call the types and keys of a spec, and the names of those themselves."""

from __future__ import annotations

from collections.abc import Iterable

from rnnkit.errors import closest

EXPORTS = ("c", "keras", "onnx", "safetensors", "torch")
"""The programs and formats that a model is written for: each a module `exchange.to_<name>`."""

TYPES = {
    "dense": "affine",
    "linear": "affine",
    "fully_connected": "affine",
    "projection": "affine",
    "simple_rnn": "rnn",
    "elman": "rnn",
    "bilstm": "bidirectional",
    "birnn": "bidirectional",
    "onehot": "one_hot",
    "layernorm": "layer_norm",
    "crossentropy": "softmax_cross_entropy",
    "cross_entropy": "softmax_cross_entropy",
    "categorical_crossentropy": "softmax_cross_entropy",
    "sparse_categorical_crossentropy": "softmax_cross_entropy",
    "nll": "softmax_cross_entropy",
    "softmax": "softmax_cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "bce": "binary_cross_entropy",
    "sigmoid": "binary_cross_entropy",
    "l1": "mae",
    "mean_absolute_error": "mae",
    "l2": "mse",
    "mean_squared_error": "mse",
    "smooth_l1": "huber",
    "plateau": "stall",
    "reduce_on_plateau": "stall",
    "attn": "attention",
    "character": "char",
    "bytes": "byte",
}
"""Types by another name."""

IN_THE_LOSS = {"softmax": "softmax_cross_entropy", "sigmoid": "binary_cross_entropy"}
"""Layers elsewhere that a loss has in it here."""

KEYS = {
    "batch_size": "train.streams",
    "batch": "train.streams",
    "seq_len": "train.window",
    "seq_length": "train.window",
    "sequence_length": "train.window",
    "timesteps": "train.window",
    "tbptt": "train.window",
    "bptt_steps": "train.window",
    "tbptt_steps": "train.window",
    "learning_rate": "train.optimizer.lr",
    "lr": "train.optimizer.lr",
    "num_epochs": "train.epochs",
    "n_epochs": "train.epochs",
    "max_epochs": "train.epochs",
    "epochs": "train.epochs",
    "seed": "train.seed",
    "random_seed": "train.seed",
    "grad_clip": "train.clip.norm",
    "gradient_clipping": "train.clip.norm",
    "clip_norm": "train.clip.norm",
    "clipnorm": "train.clip.norm",
    "max_grad_norm": "train.clip.norm",
    "early_stopping": "train.stop.patience",
    "patience": "train.stop.patience",
    "scheduler": "train.schedule",
    "hidden_size": "units",
    "hidden": "units",
    "num_units": "units",
    "hidden_units": "units",
    "embedding_dim": "units",
    "p": "rate",
}
"""Keys by another name, each with the path where it is written; a layer's own have no path."""

PLAIN = {
    "train.best": "train.best.metric",
    "train.bptt": "train.window",
    "train.clip": "train.clip.norm",
    "train.feed": "train.feed.type",
    "train.sample": "train.sample.prompt",
    "train.start": "train.start.from",
    "train.state": "train.state.reset",
    "train.stop": "train.stop.patience",
    "train.sync": "train.sync.every",
}
"""Objects in place of which a plain value is written elsewhere, and where that stands here."""

PROCESSOR = "rnnkit computes on the processor alone: leave it out"
FLOAT32 = "rnnkit computes in float32 alone: leave it out"
BY_THREADS = "how many threads compute is the option --threads: leave it out"
EACH_LAYER = 'each layer is an entry of "layers": write it as often as it is wanted'
ABSENT = {
    **dict.fromkeys(("device", "devices", "accelerator", "gpu", "gpus", "use_gpu"), PROCESSOR),
    **dict.fromkeys(("n_gpus", "num_gpus", "cuda", "use_cuda", "gpu_id"), PROCESSOR),
    **dict.fromkeys(("fp16", "bf16", "amp", "precision", "mixed_precision", "dtype"), FLOAT32),
    **dict.fromkeys(("threads", "num_threads", "workers", "num_workers", "n_jobs"), BY_THREADS),
    **dict.fromkeys(("num_layers", "n_layers", "nlayers"), EACH_LAYER),
}
"""Keys elsewhere that nothing answers to here, each with what to do."""


def type_meant(word: str, names: Iterable[str]) -> str:
    """Return which of the types was probably meant, or ""."""
    names = list(names)
    known = TYPES.get(word.lower().replace("-", "_"), "")
    return known if known in names else closest(word, names)
