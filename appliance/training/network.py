"""The tutorials' small network on embeddings: d → 500 → 150 → n, batch normalisation, dropout.

PyTorch trains it. Once trained, batch normalisation is one factor and one summand for each unit
(Ioffe and Szegedy, 2015) and dropout is nothing (Srivastava et al., 2014), so what is left are
three affine maps with ReLU between them: the weights of scikit-learn's MLPClassifier. That is what
is kept, so whoever asks the classifier needs no PyTorch.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.training.libraries import pytorch, require_pytorch
from appliance.types import Floats

HIDDEN = (500, 150)
# Found by trying on LFW: half of the units dropped, or twice as many epochs, is no better.
DROPOUT = 0.2
EPOCHS = 40
_BATCH = 64
_PEAK_RATE = 3e-3
# What scikit-learn remembers of its own first steps; the network has none of it.
_OF_ITS_FIT = frozenset(
    {"_random_state", "_best_coefs", "_best_intercepts", "_coef_indptr", "_intercept_indptr"}
    | {"loss_", "t_"}
)


@dataclass(frozen=True, eq=False)
class Normalisation:
    """What batch normalisation has learnt of (units,) values; all float64."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]
    epsilon: float


@dataclass(frozen=True, eq=False)
class Layer:
    """weights (out, in), bias (out,), float64; then normalised, but for the last layer."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    normalisation: Normalisation | None = None


def check() -> None:
    """InputError `missing_library` where PyTorch is not installed."""
    require_pytorch()


def fit(vectors: Floats, classes: NDArray[np.int64], seed: int, epochs: int = EPOCHS) -> Any:
    """Train on (rows, d) vectors, every class of 0..n-1 among `classes`; an MLPClassifier."""
    return assembled(train(vectors, classes, seed, epochs), vectors, classes)


def train(
    vectors: Floats, classes: NDArray[np.int64], seed: int, epochs: int = EPOCHS
) -> list[Layer]:
    """The three layers. Leaves PyTorch's own random numbers as they were."""
    torch = pytorch()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _built(torch, vectors.shape[1], int(classes.max()) + 1)
        _descend(torch, network, vectors, classes, epochs)
    network.eval()
    return _layers(torch, network)


def assembled(layers: Sequence[Layer], vectors: Floats, classes: NDArray[np.int64]) -> Any:
    """scikit-learn's MLPClassifier with these layers' weights.

    vectors, classes: what its own fit is shown for a step, which sizes everything by the public
    interface; its weights are then replaced.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    estimator = MLPClassifier(
        tuple(len(layer.bias) for layer in layers[:-1]), solver="lbfgs", max_iter=1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(vectors, classes)
    folded = [fold(layer) for layer in layers]
    if len(estimator.coefs_[-1][0]) == 1:
        # Of two classes it has one output, through a logistic function: softmax of the difference.
        weights, bias = folded[-1]
        folded[-1] = weights[1:] - weights[:1], bias[1:] - bias[:1]
    estimator.coefs_ = [np.ascontiguousarray(weights.T, np.float32) for weights, _ in folded]
    estimator.intercepts_ = [np.asarray(bias, np.float32) for _, bias in folded]
    for name in _OF_ITS_FIT:
        vars(estimator).pop(name, None)
    return estimator


def fold(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights (out, in) and bias (out,) that do what the layer and its normalisation do."""
    learnt = layer.normalisation
    if learnt is None:
        return layer.weights, layer.bias
    factor = learnt.scale / np.sqrt(learnt.variance + learnt.epsilon)
    return layer.weights * factor[:, None], (layer.bias - learnt.mean) * factor + learnt.shift


def _built(torch: Any, width: int, count: int) -> Any:
    nn = torch.nn
    parts: list[Any] = []
    for units in HIDDEN:
        parts += [nn.Linear(width, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(DROPOUT)]
        width = units
    return nn.Sequential(*parts, nn.Linear(width, count))


def _descend(
    torch: Any, network: Any, vectors: Floats, classes: NDArray[np.int64], epochs: int
) -> None:
    """Adam at a rate that rises and falls once (Smith and Topin, 2018)."""
    rows = len(classes)
    # A batch of one has no variance, so what is left over of an epoch waits for the next.
    batch = max(2, min(_BATCH, rows // 2))
    steps = max(1, rows // batch)
    inputs, wanted = torch.from_numpy(vectors), torch.from_numpy(classes)
    optimiser = torch.optim.Adam(network.parameters())
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=_PEAK_RATE, total_steps=epochs * steps
    )
    network.train()
    for _ in range(epochs):
        order = torch.randperm(rows)
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(inputs[chosen]), wanted[chosen])
            loss.backward()
            optimiser.step()
            rate.step()


def _layers(torch: Any, network: Any) -> list[Layer]:
    found: list[Layer] = []
    for part in network:
        if isinstance(part, torch.nn.Linear):
            found.append(Layer(_array(part.weight), _array(part.bias)))
        elif isinstance(part, torch.nn.BatchNorm1d):
            learnt = Normalisation(
                _array(part.running_mean),
                _array(part.running_var),
                _array(part.weight),
                _array(part.bias),
                float(part.eps),
            )
            found[-1] = Layer(found[-1].weights, found[-1].bias, learnt)
    return found


def _array(tensor: Any) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu().numpy(), np.float64)
