"""Turn training runs into the artefact that ships: one .tflite and its model.json.

    python -m ml.export --run runs/main --data DIR --out ml/artifact

Of several runs the networks answer side by side: the mean of their logits and of their maps. Kernels
are rounded to eight bits in Keras before the conversion, which stores them so: the two then agree
to 1e-3, and that is checked here on 200 photographs before anything is written. The result carries
neutral settings; `python -m ml.calibrate` fits them.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np

from ml import model_json, out_of_distribution, preprocess
from ml.classifier import ARTIFACT
from ml.config import TrainConfig
from ml.data import MANIFESTS, read_dataset, read_split
from ml.eight_bits import round_to_eight_bits, store_as_eight_bits
from ml.labels import CLASSES
from ml.metadata import FACTS, Fusion
from ml.model import build_model, enlarging, serving_model
from ml.provenance import first_weights, training_steps
from ml.runtime import Runtime

AGREEMENT = 1e-3
PHOTOGRAPHS = 200
LARGEST_BYTES = 25 * 2**20
MIDDLE = "block5e_add"
NETWORK = "network_"  # and its number: the names in the graph by which ml.restore tells them apart
OUTPUTS = ("logits", "activation_maps", "features")


def with_middle_features(served: keras.Model, name: str) -> keras.Model:
    """The serving model with the channel means of a middle block, (B, 136), as its features."""
    middle = keras.layers.GlobalAveragePooling2D(name="middle_features")(served.get_layer(MIDDLE).output)
    outputs = {name: served.output[name] for name in OUTPUTS} | {"features": middle}
    return keras.Model(served.input, outputs, name=name)


def side_by_side(networks: list[keras.Model]) -> keras.Model:
    """One serving model of several: the mean of their logits and maps, the features of the first."""
    if len(networks) == 1:
        return networks[0]
    photographs = keras.Input(networks[0].input_shape[1:])
    answers = [network(photographs, training=False) for network in networks]
    outputs = {name: keras.layers.Average(name=name)([one[name] for one in answers]) for name in OUTPUTS[:2]}
    return keras.Model(photographs, outputs | {"features": answers[0]["features"]}, name="side_by_side")


def to_tflite(served: keras.Model) -> bytes:
    """The serving model as a LiteRT flat buffer with kernels of eight bits and a batch of one."""
    import tensorflow as tf

    size = served.input_shape[1]

    @tf.function(input_signature=[tf.TensorSpec((1, size, size, 3), tf.float32, name="image")])
    def serve(image):
        seen = served(image, training=False)
        return {name: seen[name] for name in OUTPUTS}

    # Not keras.export, which also writes every layer by itself and its gradients: it takes several times longer.
    module = tf.Module()
    module.serve, module.values = serve, [variable.value for variable in served.variables]
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=serve, options=options)
        return store_as_eight_bits(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def run_keras(model: keras.Model, tensors: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Every output of the model for all tensors, each (1, S, S, 3)."""
    # Called, not `predict`ed: compiling the graph takes longer than these few photographs.
    batches = [np.concatenate(tensors[start : start + 20]) for start in range(0, len(tensors), 20)]
    outputs = [model(batch, training=False) for batch in batches]
    return {name: np.concatenate([np.asarray(output[name]) for output in outputs]) for name in outputs[0]}


def agreement(served: keras.Model, runtime: Runtime, tensors: list[np.ndarray]) -> tuple[dict, np.ndarray]:
    """The largest absolute difference between Keras and LiteRT over the tensors, an output; and
    LiteRT's logits (N, 7)."""
    expected = run_keras(served, tensors)
    seen = [runtime.run(tensor) for tensor in tensors]
    # np.max keeps a nan, which no limit lets pass.
    got = {name: np.stack([getattr(one, name) for one in seen]) for name in OUTPUTS}
    worst = {name: float(np.max(np.abs(expected[name] - got[name]))) for name in OUTPUTS}
    return worst, got["logits"]


def neutral_settings() -> dict:
    """Settings under which the classifier works before it is calibrated."""
    even = {"sensitivity_95": 0.5, "specificity_95": 0.5}
    subsets = ["none"]
    for fact in FACTS:
        subsets += [fact if one == "none" else f"{one}+{fact}" for one in subsets]
    return {
        "temperature": 1.0,
        "logit_adjustment": [0.0] * len(CLASSES),
        "prior": [1 / len(CLASSES)] * len(CLASSES),
        "thresholds": {"malignancy": even, "melanoma": even},
        "conformal": {
            "level": 0.9,
            "quantiles": {one: dict.fromkeys(CLASSES, 0.0) for one in subsets},
        },
        "out_of_distribution": {"threshold": out_of_distribution.UNFITTED},
        "metadata_fusion": Fusion.neutral().to_json(),
        "test_time_augmentation": "none",
    }


def export(
    runs: list[Path],
    records: list,
    out: Path,
    *,
    manifests: Path = MANIFESTS,
    validated: bool = False,
    note: str = "",
) -> dict:
    """Write model.tflite and model.json into `out`; returns model.json's content.

    records: photographs for the agreement check. Raises ValueError where the runs cannot answer side
    by side, Keras and LiteRT differ by more than AGREEMENT or the file is larger than LARGEST_BYTES.
    """
    if len(set(runs)) < len(runs):
        raise ValueError("a network beside itself is one network")
    configs = [TrainConfig.read(run) for run in runs]
    config, size = configs[0], configs[0].photograph_size()
    if len({(one.input_size, one.photograph_size(), tuple(one.class_prior().round(6))) for one in configs}) > 1:
        raise ValueError("these runs differ in the size of their photographs or in the classes' shares")
    models = [build_model(config.input_size, config.dropout, run / "best.weights.h5") for run in runs]
    tensors = [
        preprocess.to_tensor(preprocess.decode(record.path.read_bytes()), size) for record in records[:PHOTOGRAPHS]
    ]
    trained = np.mean([run_keras(enlarging(model, size), tensors)["logits"] for model in models], axis=0)
    for model in models:
        round_to_eight_bits(model)
    served = [with_middle_features(serving_model(model), f"{NETWORK}{n}") for n, model in enumerate(models, 1)]
    served = enlarging(side_by_side(served), size)
    flat = to_tflite(served)
    if len(flat) > LARGEST_BYTES:
        raise ValueError(f"the network has {len(flat)} bytes; {LARGEST_BYTES} are the most")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(flat)
        worst, got = agreement(served, Runtime(path), tensors)
    if not all(gap <= AGREEMENT for gap in worst.values()):
        raise ValueError(f"Keras and LiteRT differ by up to {worst}")
    digest = hashlib.sha256(flat).hexdigest()
    created = datetime.now(UTC)
    networks = [_record(run) for run in runs]
    origins = dict.fromkeys(one["first_weights"] for one in networks)
    metadata = {
        "version": f"b3{f'x{len(runs)}' if len(runs) > 1 else ''}-{config.input_size}-{created:%Y%m%d}-{digest[:8]}",
        "labels": list(CLASSES),
        "input_size": size,
        "created_at": created.isoformat(timespec="seconds"),
        "weights_provenance": f"{' and '.join(origins)}; then trained on the HAM10000 training split",
        "is_validated": validated,
        "evaluation_note": note,
        **neutral_settings(),
        "agreement": {"photographs": len(tensors), "limit": AGREEMENT, "largest_difference": worst}
        | _rounding(trained, got),
        "model_sha256": digest,
        "model_bytes": len(flat),
        "manifest_sha256": model_json.manifest_hashes(manifests),
        "training": networks[0]["training"],
        "kernels": "8 bits",
        "networks": networks,
        "made_by": list({step["command"]: step for one in networks for step in one["made_by"]}.values()),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / out_of_distribution.NAME).unlink(missing_ok=True)  # it belongs to other weights
    (out / "model.tflite").write_bytes(flat)
    model_json.write(out, metadata)
    return metadata


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.export", description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, nargs="+", required=True, metavar="RUN", help="folder that ml.train wrote")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ARTIFACT)
    parser.add_argument("--manifests", type=Path, default=MANIFESTS)
    parser.add_argument("--validated", action="store_true", help="the model is cleared for patients")
    parser.add_argument("--note", default="evaluation model, not validated")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        records = read_split(read_dataset(options.data), "validation", options.manifests)
        metadata = export(
            options.run,
            records,
            options.out,
            manifests=options.manifests,
            validated=options.validated,
            note=options.note,
        )
    except (OSError, ValueError) as error:
        print(f"cannot export: {error}", file=sys.stderr)
        return 1
    model_json.add_step(metadata, "ml.export", arguments or sys.argv[1:], started)
    model_json.write(options.out, metadata)
    checked = metadata["agreement"]
    print(f"{metadata['version']}: {metadata['model_bytes'] / 2**20:.1f} MiB")
    print(f"agreement over {checked['photographs']} photographs: {checked['largest_difference']}")
    return 0


def _record(run: Path) -> dict:
    """What model_json.networks tells of a run's network."""
    training = json.loads((run / "config.json").read_text())
    return {"training": training, "first_weights": first_weights(run), "made_by": training_steps(run)}


def _rounding(trained: np.ndarray, shipped: np.ndarray) -> dict:
    """What the eight bits of the shipped kernels cost against the weights before the rounding."""
    same = trained.argmax(axis=1) == shipped.argmax(axis=1)
    return {
        "rounding": {"largest_logit_change": float(np.abs(trained - shipped).max()), "same_class": float(same.mean())}
    }


if __name__ == "__main__":
    sys.exit(main())
