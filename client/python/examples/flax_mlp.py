"""Trains a small network of Flax on made-up clusters and watches it collapse.

The network returns the input of its last layer beside the scores; a monitor observes those, as JAX
arrays, in a pass after each measured epoch. Needs jax, flax and optax.

    python flax_mlp.py --address 127.0.0.1:50051 --run flax-mlp
"""

import argparse

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import ncscope

CLASSES, DIM, WIDTH, ROWS, BATCH = 6, 10, 64, 1200, 100
COLUMNS = ("nc1.pinv", "nc2.means.etf_error", "nc3.distance", "nc4.agreement")


class Network(nn.Module):
    """Two hidden layers and a classifier."""

    @nn.compact
    def __call__(self, x):
        """Returns features [n, WIDTH] and scores [n, CLASSES]."""
        x = nn.relu(nn.LayerNorm()(nn.Dense(2 * WIDTH)(x)))
        features = nn.relu(nn.LayerNorm()(nn.Dense(WIDTH)(x)))
        return features, nn.Dense(CLASSES, name="classifier")(features)


NETWORK = Network()
OPTIMIZER = optax.chain(optax.add_decayed_weights(5e-4), optax.sgd(0.1, momentum=0.9))


@jax.jit
def train_step(params, state, x, y):
    """One step of SGD on the mean cross entropy."""

    def loss(params):
        _, scores = NETWORK.apply(params, x)
        return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()

    updates, state = OPTIMIZER.update(jax.grad(loss)(params), state, params)
    return optax.apply_updates(params, updates), state


@jax.jit
def features_of(params, x):
    """Returns the input of the classifier, [n, WIDTH]."""
    return NETWORK.apply(params, x)[0]


def load(seed):
    """Returns {split: (x [n, DIM], y [n])}: clusters that overlap a little."""
    rng = np.random.default_rng(seed)
    means = 2 * rng.standard_normal((CLASSES, DIM))
    out = {}
    for split, rows in (("train", ROWS), ("test", ROWS // 4)):
        y = rng.integers(0, CLASSES, rows)
        out[split] = (jnp.asarray(means[y] + rng.standard_normal((rows, DIM))), jnp.asarray(y))
    return out


def measure(monitor, epoch, params, data):
    """Observes both splits; returns the futures of their reports, and waits for nothing."""
    head = params["params"]["classifier"]
    futures = []
    for split, (x, y) in data.items():
        with monitor.epoch(epoch, split) as measured:
            for begin in range(0, len(x), BATCH):
                rows = slice(begin, begin + BATCH)
                measured.observe(features_of(params, x[rows]), y[rows])
            measured.classifier(head["kernel"].T, head["bias"])  # Flax has weights [d, K]
        futures.append(measured.future)
    return futures


def print_report(report):
    """One line of the table."""
    row = report.to_dict()
    cells = []
    for path in COLUMNS:
        value = row
        for name in path.split("."):
            value = value[name]
        cells.append(f"  {value:>{len(path)}.4f}")
    print(f"{report.epoch:>5}  {report.split:<5}" + "".join(cells), flush=True)


def main():
    """Reads the options, trains, and prints the reports when all is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="127.0.0.1:50051", help="of the server")
    parser.add_argument("--run", default="flax-mlp", help="name of the run")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--every", type=int, default=20, help="measure each n-th epoch")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data, rng = load(options.seed), np.random.default_rng(options.seed)
    x, y = data["train"]
    params = NETWORK.init(jax.random.PRNGKey(options.seed), x[:1])
    state = OPTIMIZER.init(params)
    futures = []
    with ncscope.Monitor(run=options.run, server=options.address, num_classes=CLASSES) as monitor:
        for epoch in range(options.epochs):
            order = rng.permutation(len(x))
            for begin in range(0, len(x), BATCH):
                rows = order[begin : begin + BATCH]
                params, state = train_step(params, state, x[rows], y[rows])
            if (epoch + 1) % options.every == 0:
                futures += measure(monitor, epoch, params, data)
    print("epoch  split" + "".join(f"  {path}" for path in COLUMNS))
    for future in futures:
        print_report(future.result(30))


if __name__ == "__main__":
    main()
