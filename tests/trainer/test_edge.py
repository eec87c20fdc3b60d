"""The state that a trainer sums itself, against what the server makes of the same samples."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from ncscope import edge_torch, errors
from ncscope.edge import Centers, EdgeStatistics

import samples

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
    return torch.from_numpy(data.features).to(dtype), torch.from_numpy(data.labels)


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


def numbers(group, path=""):
    """Yields (path, value) of a part of a report, lists and parts of it included."""
    if dataclasses.is_dataclass(group):
        for field in dataclasses.fields(group):
            yield from numbers(getattr(group, field.name), f"{path}.{field.name}")
    elif isinstance(group, tuple | list):
        for i, value in enumerate(group):
            yield from numbers(value, f"{path}[{i}]")
    else:
        yield path, group


def check_report(got, expected, tolerance):
    wrong = []
    for name in ("nc1", "nc2", "nc3"):
        pairs = zip(
            numbers(getattr(got, name), name), numbers(getattr(expected, name), name), strict=True
        )
        for (path, value), (_, wanted) in pairs:
            if isinstance(wanted, float) and isinstance(value, float):
                if abs(value - wanted) <= tolerance * abs(wanted):
                    continue
            elif value == wanted:
                continue
            wrong.append(f"{path}: expected {wanted!r}, got {value!r}")
    assert not wrong, "\n".join(wrong)


def check_arrays(got, expected, tolerance):
    """Compares states: each array about its own size, off the diagonal about the trace."""
    for name in ("classes", "counts"):
        wanted = getattr(expected, name)
        np.testing.assert_array_equal(getattr(got, name), wanted)
        assert getattr(got, name).dtype == wanted.dtype
    np.testing.assert_allclose(got.means, expected.means, rtol=1e-14, atol=1e-14)
    trace = np.trace(expected.within_scatter()) * expected.header.samples
    np.testing.assert_allclose(got.within, expected.within, rtol=1e-12, atol=1e-13 * trace)
    dim = expected.header.dim
    diagonal = np.cumsum([0, *range(dim, 1, -1)])
    np.testing.assert_allclose(
        got.scatter_upper[diagonal], expected.scatter_upper[diagonal], rtol=1e-12
    )
    np.testing.assert_allclose(
        got.scatter_upper, expected.scatter_upper, rtol=0, atol=tolerance * trace
    )
    for name in ("weight", "bias"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    for field in expected.header.DESCRIPTOR.fields:
        if field.name == "key":
            continue
        value, wanted = getattr(got.header, field.name), getattr(expected.header, field.name)
        if field.name == "scatter_resolution":
            # References of other rows leave another trace of what was multiplied.
            assert value == pytest.approx(wanted, rel=0.05)
        elif field.name == "sum_squares":
            assert value == pytest.approx(wanted, rel=1e-13)
        else:
            assert value == wanted, field.name


CASES = [
    (dtype_name, name)
    for dtype_name in TYPES
    for name in DATA
    if dtype_name in ("float32", "float64") or "collapsed" not in name
]


@pytest.mark.parametrize(("dtype_name", "name"), CASES)
def test_the_state_is_that_of_the_server(client, run_name, dtype_name, name):
    data, dtype = DATA[name], TYPES[dtype_name]
    report, expected = streamed(client, run_name + ".streamed", data, dtype)
    state, decisions = summed(data, dtype).finish(*classifier(data))
    assert decisions is None
    check_arrays(state, expected, 1e-14 if dtype_name == "float64" else 1e-7)
    got = client.put_statistics(run_name, 0, state)
    assert got.conventions.input_type == dtype_name
    assert got.data == report.data
    check_report(got, report, 1e-10 if dtype_name == "float64" else 1e-6)
