"""The exported network on LiteRT: one input tensor in, named outputs back.

Nothing here imports tensorflow: a worker that serves needs numpy, Pillow and LiteRT.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


@dataclass(frozen=True)
class Observation:
    """What the network says about one photograph, before any calibration."""

    logits: np.ndarray  # float32 (7,)
    features: np.ndarray  # float32 (D,), channel means of a middle block
    activation_maps: np.ndarray  # float32 (h, w, 7); spatial mean + bias == logits
    has_colour: bool = True  # the photograph's; without it nothing here can be relied on


class Runtime:
    """One interpreter in each process, used by one thread at a time.

    threads: the threads of a forward pass. More than the machine has free cores is slower.
    """

    def __init__(self, path: Path, threads: int = 2):
        self._path = path
        self._threads = threads
        self._lock = threading.Lock()
        self._owner = None
        self._start()

    def _start(self) -> None:
        interpreter = Interpreter(model_path=str(self._path), num_threads=self._threads)
        self._runner = interpreter.get_signature_runner()
        self._interpreter = interpreter
        self._owner = os.getpid()

    @property
    def input_size(self) -> int:
        """Side of the square input, in pixels."""
        details = self._runner.get_input_details()
        return int(next(iter(details.values()))["shape"][1])

    def run(self, tensor: np.ndarray) -> Observation:
        """tensor: float32 (1, S, S, 3), RGB, 0..255."""
        with self._lock:
            # A forked child inherits the interpreter but not its thread pool: it would wait for ever.
            if self._owner != os.getpid():
                self._start()
            name = next(iter(self._runner.get_input_details()))
            outputs = self._runner(**{name: tensor})
        return Observation(
            logits=np.array(outputs["logits"][0], dtype=np.float32),
            features=np.array(outputs["features"][0], dtype=np.float32),
            activation_maps=np.array(outputs["activation_maps"][0], dtype=np.float32),
        )
