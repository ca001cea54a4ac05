"""The portal's worker with a model that dies of certain photos, each in a way of its own.

Importing it changes the classifier of the whole process: for workers only, never for a test module.
"""

import io
import os
import signal

from PIL import Image

import ml.classifier
from tests.faults.poisons import POISONS
from worker import celery  # noqa: F401  what `celery -A tests.faults.poisoned_worker` looks for

_predict = ml.classifier.Classifier.predict


def _predict_or_die(self, image, **facts):
    with Image.open(io.BytesIO(image)) as photo:
        colour = photo.convert("RGB").resize((1, 1)).getpixel((0, 0))
    if _is_near(colour, POISONS["crash"]):
        os.kill(os.getpid(), signal.SIGSEGV)
    if _is_near(colour, POISONS["out_of_memory"]):
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does
    if _is_near(colour, POISONS["endless_loop"]):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])  # a decoder in C hears no soft limit
        while True:
            pass
    return _predict(self, image, **facts)


def _is_near(colour, other):
    return max(abs(a - b) for a, b in zip(colour, other, strict=True)) < 10


ml.classifier.Classifier.predict = _predict_or_die
