"""Trains a small network on handwritten digits and watches it collapse.

The network is an MLP in numpy (64 -> 256 -> 64 -> 10, ReLU after layer normalisation, SGD with
momentum, weight decay, cosine learning rate) on scikit-learn's bundled digits. It is trained far
past zero training error; at each measured epoch the inputs of its classifier are streamed, of the
training and of the test split.

    python digits.py --address 127.0.0.1:50051 --run digits
"""

import argparse
import contextlib

import numpy as np
from sklearn.datasets import load_digits

import ncscope

WIDTHS = (64, 256, 64, 10)
BATCH, RATE, MOMENTUM, DECAY = 64, 0.03, 0.9, 2e-3
MEASURED = (0, 1, 2, 5, 10, 20, 50, 100, 150, 200, 300, 400, 500, 600)
COLUMNS = (
    ("accuracy", 1, lambda report: report.nc4.classifier_accuracy),
    ("NC1 pinv", 0, lambda report: report.nc1.pinv),
    ("NC2 equinorm", 0, lambda report: report.nc2.means.equinorm),
    ("NC2 ETF error", 0, lambda report: report.nc2.means.etf_error),
    ("NC3 distance", 0, lambda report: report.nc3.distance),
    ("NC4 agreement", 1, lambda report: report.nc4.agreement),
)


class Network:
    """Linear layers, each but the last followed by layer normalisation and ReLU; float32."""

    def __init__(self, rng):
        sizes = list(zip(WIDTHS[1:], WIDTHS[:-1], strict=True))
        self.weights = [
            (rng.standard_normal(size) * np.sqrt(2 / size[1])).astype(np.float32) for size in sizes
        ]
        self.biases = [np.zeros(size[0], np.float32) for size in sizes]
        self.velocities = [np.zeros_like(p) for p in (*self.weights, *self.biases)]

    def forward(self, x):
        """Returns the input of each layer, (unit, scale) of each normalisation, and the scores."""
        inputs, normed = [x], []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = inputs[-1] @ weight.T + bias
            z -= z.mean(axis=1, keepdims=True)
            scale = np.sqrt(np.mean(z * z, axis=1, keepdims=True) + np.float32(1e-5))
            normed.append((z / scale, scale))
            inputs.append(np.maximum(normed[-1][0], 0))
        return inputs, normed, inputs[-1] @ self.weights[-1].T + self.biases[-1]

    def gradients(self, x, y):
        """Returns those of the mean cross entropy, in the order of `velocities`."""
        inputs, normed, scores = self.forward(x)
        scores -= scores.max(axis=1, keepdims=True)
        delta = np.exp(scores)
        delta /= delta.sum(axis=1, keepdims=True)
        delta[np.arange(len(y)), y] -= 1
        delta /= np.float32(len(y))
        by_weight, by_bias = [], []
        for layer in reversed(range(len(self.weights))):
            by_weight.insert(0, delta.T @ inputs[layer])
            by_bias.insert(0, delta.sum(axis=0))
            if layer:
                unit, scale = normed[layer - 1]
                delta = (delta @ self.weights[layer]) * (unit > 0)
                along = np.mean(delta * unit, axis=1, keepdims=True)
                delta = (delta - delta.mean(axis=1, keepdims=True) - unit * along) / scale
        return by_weight + by_bias

    def step(self, x, y, rate):
        """One step of SGD with momentum and weight decay."""
        parameters = (*self.weights, *self.biases)
        for p, v, g in zip(parameters, self.velocities, self.gradients(x, y), strict=True):
            v *= MOMENTUM
            v += g + np.float32(DECAY) * p
            p -= np.float32(rate) * v


def load(seed):
    """Returns {split: (x [n, 64] float32, y [n])}: 80 % train, 20 % test, drawn by the seed."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    cut = int(0.8 * len(x))
    x = ((x - x[order[:cut]].mean(axis=0)) / 8).astype(np.float32)
    return {"train": (x[order[:cut]], y[order[:cut]]), "test": (x[order[cut:]], y[order[cut:]])}


def measure(client, run, epoch, network, data):
    """Streams both splits of an epoch; returns their reports."""
    reports = []
    for split, (x, y) in data.items():
        with client.stream(run, epoch, split, num_classes=WIDTHS[-1]) as stream:
            for begin in range(0, len(x), 512):
                features = network.forward(x[begin : begin + 512])[0][-1]
                stream.add(features, y[begin : begin + 512])
            stream.classifier(network.weights[-1], network.biases[-1])
        reports.append(stream.report)
    return reports


def cell(value):
    """A number that can be compared down a column."""
    if value is None:
        return "undefined"
    return f"{value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.2e}"


def print_row(epoch, split, cells):
    """One line of the table."""
    line = f"{epoch:>5}  {split:<5}" + "".join(
        f"  {text:>{len(title)}}" for (title, _, _), text in zip(COLUMNS, cells, strict=True)
    )
    print(line, flush=True)


def train(client, run, data, epochs, seed):
    """Trains and measures; prints the table as it grows."""
    rng = np.random.default_rng(seed)
    network = Network(rng)
    x, y = data["train"]
    steps_per_epoch = -(-len(x) // BATCH)
    measured = {epoch for epoch in MEASURED if epoch < epochs} | {epochs}
    print_row("epoch", "split", [title for title, _, _ in COLUMNS])
    print_row("ideal", "", [str(ideal) for _, ideal, _ in COLUMNS])
    for epoch in range(epochs + 1):
        if epoch in measured:
            for report in measure(client, run, epoch, network, data):
                print_row(epoch, report.split, [cell(read(report)) for _, _, read in COLUMNS])
        if epoch == epochs:
            break
        order = rng.permutation(len(x))
        for step, begin in enumerate(range(0, len(x), BATCH)):
            progress = (epoch * steps_per_epoch + step) / (epochs * steps_per_epoch)
            rate = RATE * 0.5 * (1 + np.cos(np.pi * progress))
            rows = order[begin : begin + BATCH]
            network.step(x[rows], y[rows], rate)


def main():
    """Reads the options, replaces an earlier run of the same name, and trains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="127.0.0.1:50051", help="of the server")
    parser.add_argument("--run", default="digits", help="name of the run; an old one is replaced")
    parser.add_argument("--epochs", type=int, default=MEASURED[-1])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with ncscope.Client(options.address) as client:
        client.wait_ready()
        with contextlib.suppress(ncscope.errors.NotFound):
            client.delete(options.run)
        train(client, options.run, load(options.seed), options.epochs, options.seed)


if __name__ == "__main__":
    main()
