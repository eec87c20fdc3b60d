"""Data sets and the two ways from them to a state: summed by torch, and streamed to a server."""

import dataclasses

import numpy as np
import samples
import torch
from ncscope.edge import EdgeStatistics

TYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
CPU = torch.device("cpu")


def collapsed(spread):
    """Five classes about means near 10, in float32, each coordinate within `spread` of its mean."""
    rng = np.random.default_rng(7)
    means = (10 + rng.standard_normal((5, 16))).astype(np.float32)
    labels = rng.permutation(np.repeat(np.arange(5), 300))
    features = means[labels] * (1 + spread * rng.standard_normal((len(labels), 16)))
    weight = means - means.mean(axis=0) + 0.3 * rng.standard_normal((5, 16))
    return samples.Samples(features, labels, 5, weight, 0.1 * rng.standard_normal(5))


def larger():
    """Several chunks of rows."""
    rng = np.random.default_rng(8)
    means = rng.standard_normal((30, 40))
    labels = rng.integers(0, 30, 7000)
    features = means[labels] + 0.5 * rng.standard_normal((7000, 40)) * rng.random(40)
    weight = means - means.mean(axis=0) + 0.3 * rng.standard_normal((30, 40))
    return samples.Samples(features, labels, 30, weight, 0.1 * rng.standard_normal(30))


DATA = {name: samples.make(name) for name in samples.NAMES} | {
    "collapsed_to_1e-6": collapsed(1e-6),
    "several_chunks": larger(),
}


def tensors(data, dtype):
    """Returns features and labels; copies, which a test may change."""
    return torch.from_numpy(data.features).to(dtype, copy=True), torch.tensor(data.labels)


def classifier(data):
    return torch.from_numpy(data.weight), torch.from_numpy(data.bias)


def batches(*arrays, size):
    for begin in range(0, len(arrays[0]), size):
        yield tuple(array[begin : begin + size] for array in arrays)


def summed(data, dtype, size=37, **options):
    """Returns what has summed a data set in batches of `size`."""
    edge = EdgeStatistics(data.num_classes, data.features.shape[1], CPU, **options)
    for features, labels in batches(*tensors(data, dtype), size=size):
        edge.add(features, labels)
    return edge


def streamed(client, run, data, dtype, size=500):
    """Returns the server's report and state."""
    with client.stream(run, 0, num_classes=data.num_classes) as stream:
        for features, labels in batches(*tensors(data, dtype), size=size):
            stream.add(features, labels)
        stream.classifier(*classifier(data))
    return stream.report, client.statistics(run, 0)


def rows_of(data, rows):
    """Returns a data set of some of the rows."""
    return dataclasses.replace(data, features=data.features[rows], labels=data.labels[rows])
