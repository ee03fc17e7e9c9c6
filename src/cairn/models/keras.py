"""Networks of Keras 3, on torch or on TensorFlow, as estimators that are saved as `.keras` without pickle.

Keras and TensorFlow are the extras `keras` and `tensorflow`. A process has one backend: Keras chooses it when
it is imported. The fitted network is kept as the bytes of a `.keras` file, and every prediction reads them,
so a loaded model predicts the same bits. Only layers that are listed here are read: others can run code.
"""

import importlib.util
import io
import json
import math
import os
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted, check_random_state

from cairn.data.predictions import Floats
from cairn.errors import UserError
from cairn.models.canonical import zipped
from cairn.models.rows import counts_of, finite, matrix_of, paced, table_rows, unseen_rows
from cairn.progress import OnIteration
from cairn.settings.trusted import how_to_install, library_of

Backend = Literal["torch", "tensorflow"]
CONFIG, METADATA = "config.json", "metadata.json"
TRUSTED = frozenset(
    {
        "__keras_tensor__",
        "keras.DTypePolicy",
        "keras.initializers.GlorotUniform",
        "keras.initializers.Ones",
        "keras.initializers.RandomUniform",
        "keras.initializers.Zeros",
        "keras.src.models.functional.Functional",
        *(
            f"keras.layers.{name}"
            for name in (
                "Activation",
                "Add",
                "AveragePooling2D",
                "BatchNormalization",
                "Concatenate",
                "Conv1D",
                "Conv2D",
                "Dense",
                "Dropout",
                "Embedding",
                "Flatten",
                "InputLayer",
                "LayerNormalization",
                "MaxPooling2D",
                "Multiply",
                "Reshape",
            )
        ),
    }
)
"""Classes that a `.keras` file may name. Not among them are Lambda and layers that read other files."""


@dataclass(kw_only=True, eq=False, repr=False)
class _Keras(BaseEstimator):
    backend: Backend = "torch"
    hidden: Sequence[int] = (128, 64)
    embedding: int = 16
    activation: str = "relu"
    dropout: float = 0.1
    learning_rate: float = 0.001
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: float = 0.01
    batch_size: int | Literal["auto"] = "auto"
    max_epochs: int | Literal["auto"] = "auto"
    patience: int | Literal["auto"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    random_state: int | None = 0
    n_jobs: int = 1
    categorical_features: Sequence[int] | None = None

    def body(self, keras: Any, joined: Any) -> Any:
        """Return what the layer of outputs gets, from numbers and embeddings side by side; override it.

        Layers have names and seeds of their own, see `seed`, and are among TRUSTED.
        """
        for place, width in enumerate(self.hidden):
            start = keras.initializers.GlorotUniform(seed=self.seed(place))
            name = f"hidden_{place}"
            layer = keras.layers.Dense(width, activation=self.activation, kernel_initializer=start, name=name)
            dropped = keras.layers.Dropout(self.dropout, seed=self.seed(place), name=f"dropout_{place}")
            joined = dropped(layer(joined))
        return joined

    def seed(self, place: int) -> int:
        """Return the seed of the layer at a place, counted from 0."""
        return self.seed_ + place

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        *,
        on_iteration: OnIteration | None = None,
        like: Self | None = None,
        share: float = 1.0,
    ) -> Self:
        """Fit X (n, d) and y (n,); stop early on X_val and y_val if given, and keep the best epoch's weights.

        on_iteration gets each epoch, from 1, and its loss on X_val. With `like` it does not stop early:
        the fit has that estimator's best number of epochs times `share`, its rows divided by these.

        Raises:
            ValueError: fewer than two classes, a validation label not in y, missing numbers, no such device.
            FloatingPointError: the training loss is NaN or infinite.
            UserError: see library.
        """
        X, y = matrix_of(X), np.asarray(y)
        check_consistent_length(X, y)
        loss, self.n_outputs_, unit = self._start_target(y)
        self.n_features_in_ = X.shape[1]
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1)) // 2
        self.n_codes_ = counts_of(X[:, self._categorical()])
        pace = paced(round(len(X) * share) if like else len(X), self.batch_size, self.max_epochs)
        epochs, patience = pace["max_epochs"], self.patience
        horizon = epochs * share if like else epochs
        stops = X_val is not None and y_val is not None
        held_out = None
        if stops:
            X_val = matrix_of(X_val, self.n_features_in_)
            held_out = self._inputs(X_val), self._target(np.asarray(y_val))
        keras = self._library()
        with _repeatable(self.backend, self.seed_, self._device()):
            network = self._network(keras, X)
            steps = math.ceil(len(X) / pace["batch_size"])
            network.compile(
                optimizer=self._optimizer(keras, round(horizon * steps)),
                loss=getattr(keras.losses, loss[0])(**loss[1]),
                jit_compile=False,
            )
            early = keras.callbacks.EarlyStopping(
                "val_loss",
                patience=pace["patience"] if patience == "auto" else patience,
                restore_best_weights=True,
            )
            history = network.fit(
                self._inputs(X),
                self._target(y),
                batch_size=pace["batch_size"],
                epochs=max(1, round(like.best_iteration_ * share)) if like else epochs,
                validation_data=held_out,
                callbacks=[_reports(keras, on_iteration), *([early] if stops else [])],
                verbose=0,
            ).history
            self.content_ = _written(self._bare(keras, network))
        self.n_iter_ = len(history["loss"])
        if self.max_epochs == "auto":
            self.max_epochs_ = epochs
        self.best_iteration_ = early.best_epoch + 1 if stops else self.n_iter_
        self.train_score_ = -np.array(history["loss"]) * unit
        self.validation_score_ = -np.array(history.get("val_loss", [])) * unit
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the network that was read from content_."""
        return {name: value for name, value in vars(self).items() if name != "_read"}

    def _start_target(self, y: NDArray[Any]) -> tuple[tuple[str, dict[str, bool]], int, float]:
        """Record what _target needs; return loss, number of outputs, and the unit of a loss of 1."""
        raise NotImplementedError

    def _target(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return the target as the loss takes it."""
        raise NotImplementedError

    def _library(self) -> Any:
        return library(self.backend, self.n_jobs)

    def _device(self) -> str:
        """Return the name of a device in Keras, cpu or gpu."""
        gpu = self.device != "cpu" and _has_gpu(self.backend)
        if self.device == "cuda" and not gpu:
            raise ValueError(f"device cuda: {self.backend} finds no GPU; set device: auto or cpu")
        return "gpu" if gpu else "cpu"

    def _categorical(self) -> list[int]:
        return list(self.categorical_features) if self.categorical_features is not None else []

    def _inputs(self, X: Floats) -> list[NDArray[Any]]:
        """Return numbers, shape (n, numbers) float32, and rows of the embeddings, (n, columns) int32."""
        at = self._categorical()
        parts = [finite(np.delete(X, at, axis=1)), table_rows(X[:, at], self.n_codes_)]
        return [part for part in parts if part.shape[1]]

    def _network(self, keras: Any, X: Floats | None = None) -> Any:
        """Return the network with new weights; with rows of train, unseen categories have vectors of 0."""
        columns = len(self.n_codes_)
        numbers = self.n_features_in_ - columns
        inputs, parts, table = [], [], None
        if numbers:
            inputs.append(keras.Input((numbers,), dtype="float32", name="numbers"))
            parts.append(inputs[-1])
        if columns:
            inputs.append(keras.Input((columns,), dtype="int32", name="codes"))
            start = keras.initializers.RandomUniform(seed=self.seed(len(self.hidden)))
            count = int(self.n_codes_.sum()) + columns
            table = keras.layers.Embedding(
                count, self.embedding, embeddings_initializer=start, name="embeddings"
            )
            parts.append(keras.layers.Flatten(name="vectors")(table(inputs[-1])))
        joined = keras.layers.Concatenate(name="joined")(parts) if len(parts) > 1 else parts[0]
        start = keras.initializers.GlorotUniform(seed=self.seed(len(self.hidden) + 1))
        last = keras.layers.Dense(self.n_outputs_, kernel_initializer=start, name="outputs")
        network = keras.Model(inputs, last(self.body(keras, joined)), name="network")
        if table is not None and X is not None:
            (vectors,) = table.get_weights()
            vectors[unseen_rows(X[:, self._categorical()], self.n_codes_)] = 0
            table.set_weights([vectors])
        return network

    def _optimizer(self, keras: Any, steps: int) -> Any:
        rate: Any = self.learning_rate
        if self.schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, max(1, steps))
        return keras.optimizers.AdamW(rate, weight_decay=self.weight_decay)

    def _bare(self, keras: Any, fitted: Any) -> Any:
        """Return the network without its optimizer, on the CPU."""
        with keras.device("cpu"):
            network = self._network(keras)
            network.set_weights(fitted.get_weights())
        return network

    def _outputs(self, X: ArrayLike) -> Floats:
        """Return the outputs, shape (n, outputs): on the CPU, so that every machine gives the same."""
        check_is_fitted(self, "content_")
        inputs = self._inputs(matrix_of(X, self.n_features_in_))
        keras = self._library()
        with keras.device("cpu"):
            if not hasattr(self, "_read"):
                self._read = _read(keras, self.content_)
            body, kernel, bias = self._read
            found = np.asarray(body.predict_on_batch(inputs), dtype=np.float64) @ kernel + bias
        # Where a layer is as narrow as these outputs, BLAS may add up in another order in odd rows than in
        # even ones: in float64, rounded to float32, a row has the same bits wherever it is.
        return found.astype(np.float32).astype(np.float64)


class KerasClassifier(ClassifierMixin, _Keras):
    """A network of Keras for two classes (one logit) or more (softmax), fitted by log loss.

    Input is a float matrix: numbers (finite, about unit scale) and, at `categorical_features`, codes 0..K-1;
    any other value there counts as an unseen category, whose vector is 0.

    Args:
        backend: torch or tensorflow; all networks of a process have the same.
        hidden: widths of the hidden layers.
        embedding: length of the vector learnt for each category.
        activation: of the hidden layers, a name of keras.activations.
        dropout: share of hidden values set to 0 while training.
        learning_rate: of AdamW, at the start.
        schedule: cosine lets the learning rate fall to 0 over max_epochs; constant keeps it.
        weight_decay: of AdamW.
        batch_size, max_epochs, patience: of the training, or auto, see cairn.models.rows.paced.
        device: of training; auto is the GPU when there is one. Predictions are computed on the CPU.
        random_state: seed of weights, order of rows and dropout.
        n_jobs: threads of TensorFlow; torch has a setting of its own.
        categorical_features: positions of the columns that hold codes.

    Attributes:
        classes_: the labels, sorted.
        content_: the network as a `.keras` file.
        train_score_, validation_score_: minus the mean log loss per epoch (the former with dropout on).
        n_iter_, best_iteration_: epochs run; the epoch whose weights these are, counted from 1.
    """

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return class probabilities, shape (n, k), in the order of classes_."""
        logits = self._outputs(X)
        if logits.shape[1] == 1:
            return np.hstack([expit(-logits), expit(logits)])
        return softmax(logits, axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable label, shape (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _start_target(self, y: NDArray[Any]) -> tuple[tuple[str, dict[str, bool]], int, float]:
        self.classes_ = np.unique(y)
        count = len(self.classes_)
        if count < 2:
            raise ValueError(f"y has only one class ({self.classes_[0]!r}); a classifier needs two")
        loss = "BinaryCrossentropy" if count == 2 else "SparseCategoricalCrossentropy"
        return (loss, {"from_logits": True}), 1 if count == 2 else count, 1.0

    def _target(self, y: NDArray[Any]) -> NDArray[Any]:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y_val has labels that are not in y: {', '.join(map(str, unknown))}")
        codes = np.searchsorted(self.classes_, y)
        return codes.astype(np.float32)[:, None] if self.n_outputs_ == 1 else codes.astype(np.int32)


class KerasRegressor(RegressorMixin, _Keras):
    """A network of Keras for a number, fitted by squared error on the standardised target.

    Args and attributes as in KerasClassifier, and:

    Attributes:
        target_mean_, target_scale_: mean and standard deviation of y in training (scale 1 for a constant).
        train_score_, validation_score_: minus the mean squared error per epoch, in squared units of y.
    """

    def predict(self, X: ArrayLike) -> Floats:
        """Return the expected number, shape (n,), in units of y."""
        return self._outputs(X)[:, 0] * self.target_scale_ + self.target_mean_

    def _start_target(self, y: NDArray[Any]) -> tuple[tuple[str, dict[str, bool]], int, float]:
        numbers = y.astype(np.float64)
        self.target_mean_ = float(numbers.mean())
        self.target_scale_ = float(numbers.std()) or 1.0
        return ("MeanSquaredError", {}), 1, self.target_scale_**2

    def _target(self, y: NDArray[Any]) -> NDArray[Any]:
        return ((y.astype(np.float64) - self.target_mean_) / self.target_scale_).astype(np.float32)[:, None]


def library(backend: Backend, threads: int) -> Any:
    """Import Keras on a backend.

    Raises:
        UserError: it is not installed, or this process has imported it on another backend.
    """
    if backend not in ("torch", "tensorflow"):
        raise UserError(f"model.params.backend: must be 'torch' or 'tensorflow', not '{backend}'")
    needed = library_of(f"{__name__}.KerasClassifier", {"backend": backend})
    if importlib.util.find_spec(needed) is None:
        raise UserError(
            f"model.params.backend {backend}: {needed} is not installed; {how_to_install(needed)}"
        )
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend
        if backend == "tensorflow":  # it reads these when it is imported; oneDNN sums in another order
            os.environ |= {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ
            os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
            os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    import keras

    if (other := keras.backend.backend()) != backend:
        raise UserError(
            f"model.params.backend {backend}: this process has Keras on {other}, and cannot have both;"
            " give all models of an ensemble the same backend"
        )
    if backend == "torch":  # where TensorFlow is installed too, Keras would import it to look for its tensors
        from keras.src.utils import module_utils

        module_utils.tensorflow._available = False
    return keras


def _has_gpu(backend: Backend) -> bool:
    if backend == "torch":
        import torch

        return torch.cuda.is_available()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


@contextmanager
def _repeatable(backend: Backend, seed: int, device: str) -> Generator[None]:
    """Make the order of rows and the kernels repeatable while a network is trained on a device."""
    import keras

    if backend == "torch":
        import torch

        from cairn.models.loop import repeatable

        with repeatable(seed, torch.device(device.replace("gpu", "cuda"))), keras.device(device):
            yield
        return
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(seed)
    with keras.device(device):
        yield


def _reports(keras: Any, on_iteration: OnIteration | None) -> Any:
    class Reported(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            if not math.isfinite(logs["loss"]):
                raise FloatingPointError(
                    f"the training loss is {logs['loss']} in epoch {epoch + 1}: lower learning_rate, or scale"
                    " the inputs (encoding.numeric: standard or quantile)"
                )
            if on_iteration is not None and "val_loss" in logs:
                on_iteration(epoch + 1, float(logs["val_loss"]))

    return Reported()


def _written(network: Any) -> bytes:
    """Return the network as a `.keras` file; equal networks have equal bytes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "network.keras")
        network.save(file)
        with ZipFile(file) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
    # The addresses of objects, and the date.
    config = json.loads(parts[CONFIG], object_hook=lambda node: _without(node, "shared_object_id"))
    about = _without(json.loads(parts[METADATA]), "date_saved")
    parts |= {name: json.dumps(value).encode() for name, value in ((CONFIG, config), (METADATA, about))}
    return zipped(sorted(parts.items()))


def _without(node: dict[str, Any], key: str) -> dict[str, Any]:
    node.pop(key, None)
    return node


def _read(keras: Any, content: bytes) -> tuple[Any, Floats, Floats]:
    """Return the network in a `.keras` file up to its outputs, and the weights of these in float64.

    Raises:
        UserError: it is damaged, or names another class than TRUSTED.
    """
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            config = json.loads(archive.read(CONFIG))
    except (BadZipFile, LookupError, ValueError) as error:
        raise UserError(f"the network of the model is no .keras file ({error}); run `dvc repro`") from error
    strange = sorted(set(_classes(config)) - TRUSTED)
    if strange:
        raise UserError(f"the network of the model has layers that are not trusted: {', '.join(strange)}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "network.keras")
        file.write_bytes(content)
        network = keras.saving.load_model(file, compile=False, safe_mode=True)
    last = network.get_layer("outputs")
    kernel, bias = (weights.astype(np.float64) for weights in last.get_weights())
    return keras.Model(network.inputs, last.input), kernel, bias


def _classes(node: Any) -> Generator[str]:
    """Yield the full name of every class in the config of a network."""
    if isinstance(node, dict) and "class_name" in node:
        yield ".".join(str(part) for part in (node.get("module"), node["class_name"]) if part)
        if node.get("registered_name") not in (None, node["class_name"]):
            yield str(node["registered_name"])
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _classes(inner)
