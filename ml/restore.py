"""The networks of an artefact back as Keras weights: python -m ml.restore --data DIR --out runs/NAME

An artefact holds its networks as LiteRT runs them. This makes one of them a run folder again: to be
exported beside another, or for a training to go on from. The conversion has merged each
BatchNormalization into the convolution before it; it is taken apart again by the mean and the
variance that training photographs have there, so that the network answers as before and learns as
if it had never been merged. It is another division than the run that made the artefact had: the
mean (ml.average) of weights from before and from after the artefact means nothing.
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from ml import model_json, preprocess
from ml.classifier import ARTIFACT
from ml.config import TrainConfig
from ml.data import MANIFESTS, read_dataset, read_split
from ml.export import NETWORK
from ml.model import build_model, enlarging, norms_behind
from ml.provenance import ORIGIN, STEPS

PHOTOGRAPHS = 320
BATCH = 32
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def restore(artifact: Path, out: Path, records: list, network: int = 1) -> dict:
    """Write the weights and the settings of the artefact's `network`, counted from 1, into `out`;
    returns model.json's content.

    records: photographs to measure BatchNormalization on. Raises ValueError where the artefact has no
    such network or `out` is a run folder already.
    """
    metadata = model_json.read(artifact)
    networks = model_json.networks(metadata)
    if not 1 <= network <= len(networks):
        raise ValueError(f"{artifact} has {len(networks)} network(s), no number {network}")
    if (out / "config.json").exists():
        raise ValueError(f"{out} holds a run already")
    chosen = networks[network - 1]
    config = TrainConfig.from_dict({k: v for k, v in chosen["training"].items() if k != "class_prior"})
    model = build_model(config.input_size, config.dropout)
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    named = re.compile(rf"\b{NETWORK}{network}(_\d+)?/" if len(networks) > 1 else "")
    stored = _stored_weights(artifact / "model.tflite", named)
    stored = [pair for pair in stored if not _is_map_projection(pair, layers[-1])]
    if len(stored) != len(layers):
        raise ValueError(f"{artifact} holds another network than EfficientNetB3")
    _put(model, layers, stored)
    _take_apart(model, records, config.photograph_size())
    out.mkdir(parents=True, exist_ok=True)
    model.save_weights(out / "best.weights.h5")
    config.write(out)
    (out / STEPS).write_text(json.dumps(chosen["made_by"], indent=2) + "\n")
    (out / ORIGIN).write_text(chosen["first_weights"])
    return metadata


def _stored_weights(path: Path, named: re.Pattern) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """(kernel, bias) as float32 of every operation that has one and whose output is so named, in the
    order of the forward pass."""
    # Without delegates the unpacked kernels are tensors that can be read.
    interpreter = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    interpreter.invoke()
    # Behind its own name an operation has those of what was merged into it, which may be another network's too.
    names = {tensor["index"]: tensor["name"].partition(";")[0] for tensor in interpreter.get_tensor_details()}
    weights = []
    for operation in interpreter._get_ops_details():
        if operation["op_name"] in WEIGHTED and named.search(names[operation["outputs"][0]]):
            _, kernel, *bias = operation["inputs"]
            values = [interpreter.get_tensor(index) for index in (kernel, *bias) if index >= 0]
            weights.append((values[0], values[1] if len(values) > 1 else None))
    return weights


def _is_map_projection(pair: tuple, dense: keras.layers.Layer) -> bool:
    """Whether a stored kernel is the dense layer's once more, laid over the maps."""
    return pair[0].shape == (dense.units, 1, 1, dense.kernel.shape[0])


def _put(model: keras.Model, layers: list, stored: list) -> None:
    norms = norms_behind(model)
    for layer, (kernel, bias) in zip(layers, stored, strict=True):
        # Stored as (out, h, w, in), depthwise as (1, h, w, channels), dense as (out, in).
        kernel = kernel.transpose(1, 2, 3, 0) if kernel.ndim == 4 else kernel.T
        if kernel.shape != layer.kernel.shape:
            raise ValueError(f"{layer.name} has a kernel of {layer.kernel.shape}, not {kernel.shape}")
        layer.kernel.assign(kernel)
        if layer in norms:
            one = np.ones_like(bias)
            norms[layer].set_weights([one, bias, 0 * one, one - norms[layer].epsilon])
        elif bias is not None:
            layer.bias.assign(bias)


def _take_apart(model: keras.Model, records: list, size: int) -> None:
    """Give every BatchNormalization the statistics of the photographs, and the scale and shift that undo them."""
    norms = list(norms_behind(model).values())
    sums = [
        keras.ops.stack([keras.ops.mean(value, axis=(0, 1, 2)), keras.ops.mean(value * value, axis=(0, 1, 2))])
        for value in (norm.input for norm in norms)
    ]
    measure = enlarging(keras.Model(model.input, sums), size)
    tensors = [preprocess.to_tensor(preprocess.decode(record.path.read_bytes()), size) for record in records]
    batches = [np.concatenate(tensors[start : start + BATCH]) for start in range(0, len(tensors), BATCH)]
    shares = np.array([len(batch) for batch in batches]) / len(tensors)
    seen = [[np.asarray(one, np.float64) for one in measure(batch, training=False)] for batch in batches]
    for norm, *moments in zip(norms, *seen, strict=True):
        mean, square = np.tensordot(shares, moments, axes=1)
        variance = np.maximum(square - mean**2, 0)
        _, shift, _, _ = norm.get_weights()
        norm.set_weights([np.sqrt(variance + norm.epsilon), shift + mean, mean, variance])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.restore", description=__doc__.split("\n")[0])
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--manifests", type=Path, default=MANIFESTS)
    parser.add_argument("--out", type=Path, required=True, help="run folder to write")
    parser.add_argument("--network", type=int, default=1, help="of an artefact with several, counted from 1")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        records = read_split(read_dataset(options.data), "train", options.manifests)
        metadata = restore(options.artifact, options.out, records[:PHOTOGRAPHS], options.network)
    except (OSError, ValueError) as error:
        print(f"cannot restore: {error}", file=sys.stderr)
        return 1
    # From which artefact is no more to be read from its folder, once another took its place there.
    step = model_json.step("ml.restore", arguments or sys.argv[1:], started) | {"artifact": metadata["version"]}
    steps = json.loads((options.out / STEPS).read_text())
    (options.out / STEPS).write_text(json.dumps([*steps, step], indent=2) + "\n")
    print(f"network {options.network} of {metadata['version']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
