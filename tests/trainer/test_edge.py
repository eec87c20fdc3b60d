"""The state that a trainer sums itself, against what the server makes of the same samples."""

import dataclasses
import sys
import time

import numpy as np
import oracle
import pytest
import torch
from ncscope.edge import EdgeStatistics

from edge_data import CPU, DATA, TYPES, classifier, rows_of, streamed, summed, tensors


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


@pytest.mark.parametrize("name", DATA)
def test_the_report_is_as_defined(client, run_name, name):
    """Against two passes in float64, however far the classes have collapsed."""
    data = DATA[name].rounded(np.float32)
    state, _ = summed(data, torch.float32).finish(*classifier(data))
    report = client.put_statistics(run_name, 0, state)
    expected = oracle.metrics(data.features, data.labels, data.num_classes, data.weight, data.bias)
    for path in ("pinv", "quotient", "vci", "cdnv", "within_trace", "between_trace"):
        value = expected[f"nc1.{path}"]
        assert getattr(report.nc1, path) == pytest.approx(value, rel=1e-6), path
    assert report.nc2.means.etf_error == pytest.approx(expected["nc2.means.etf_error"], rel=1e-6)
    assert report.nc3.distance == pytest.approx(expected["nc3.distance"], rel=1e-6)


@pytest.mark.parametrize("dtype_name", ["float32", "float64"])
def test_states_of_two_ranks_merge(client, run_name, dtype_name):
    data, dtype = DATA["imbalanced"], TYPES[dtype_name]
    report, expected = streamed(client, run_name + ".streamed", data, dtype)
    half = len(data.labels) // 3
    first = summed(rows_of(data, slice(0, half)), dtype).finish()[0]
    second = summed(rows_of(data, slice(half, None)), dtype).finish(*classifier(data))[0]
    assert client.put_statistics(run_name, 0, first, rank=0, world_size=2) is None
    got = client.put_statistics(run_name, 0, second, rank=1, world_size=2)
    check_report(got, report, 1e-10 if dtype_name == "float64" else 1e-6)
    check_arrays(
        client.statistics(run_name, 0), expected, 1e-14 if dtype_name == "float64" else 1e-7
    )


def test_one_rank_sums_and_another_streams(client, run_name):
    data = DATA["several_chunks"]
    report, _ = streamed(client, run_name + ".streamed", data, torch.bfloat16)
    state = summed(rows_of(data, slice(0, 3000)), torch.bfloat16).finish()[0]
    assert client.put_statistics(run_name, 0, state, rank=0, world_size=2) is None
    rest = rows_of(data, slice(3000, None))
    with client.stream(run_name, 0, num_classes=30, rank=1, world_size=2) as stream:
        stream.add(torch.from_numpy(rest.features).to(torch.bfloat16), rest.labels)
        stream.classifier(*classifier(data))
    check_report(stream.report, report, 1e-6)


def test_a_rank_without_samples_has_a_state(client, run_name):
    data = DATA["balanced"]
    report, _ = streamed(client, run_name + ".streamed", data, torch.float64)
    nothing, _ = EdgeStatistics(6, 16, CPU).finish()
    assert (nothing.header.samples, nothing.header.present_classes) == (0, 0)
    assert client.put_statistics(run_name, 0, nothing, rank=0, world_size=2) is None
    state, _ = summed(data, torch.float64).finish(*classifier(data))
    check_report(client.put_statistics(run_name, 0, state, rank=1, world_size=2), report, 1e-10)


def test_the_bits_do_not_depend_on_the_batches():
    states = [summed(DATA["several_chunks"], torch.float32, size) for size in (1, 37, 2048, 7000)]
    first, *others = [edge.finish()[0] for edge in states]
    for other in others:
        for name in ("means", "within", "scatter_upper"):
            np.testing.assert_array_equal(getattr(other, name), getattr(first, name))
        assert other.header == first.header


def test_more_may_be_added_after_a_state_was_taken():
    data = DATA["several_chunks"]
    edge = summed(rows_of(data, slice(0, 3000)), torch.float32)
    before, _ = edge.finish()
    assert before.header.samples == 3000
    again, _ = edge.finish()
    np.testing.assert_array_equal(again.scatter_upper, before.scatter_upper)
    edge.add(torch.from_numpy(data.features[3000:]).float(), torch.from_numpy(data.labels[3000:]))
    check_arrays(edge.finish()[0], summed(data, torch.float32).finish()[0], 1e-7)


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e15, 2.0**124])
def test_products_stay_in_the_range_of_float32(client, run_name, size):
    data = DATA["balanced"]
    data = dataclasses.replace(data, features=data.features / np.abs(data.features).max() * size)
    report, expected = streamed(client, run_name + ".streamed", data, torch.float32)
    state, _ = summed(data, torch.float32).finish(*classifier(data))
    trace = np.trace(expected.within_scatter()) * expected.header.samples
    np.testing.assert_allclose(state.scatter_upper, expected.scatter_upper, atol=1e-7 * trace)
    got = client.put_statistics(run_name, 0, state)
    assert got.nc1.pinv == pytest.approx(report.nc1.pinv, rel=1e-6)


def test_a_first_sample_that_is_an_outlier_costs_no_accuracy():
    """A reference that is one sample would leave float32 products of its distance."""
    data = DATA["several_chunks"]
    features = data.features.copy()
    features[0] += 1000
    data = dataclasses.replace(data, features=features).rounded(np.float32)
    narrow, _ = summed(data, torch.float32, size=1).finish()
    wide, _ = summed(data, torch.float64).finish()
    np.testing.assert_allclose(
        narrow.scatter_upper, wide.scatter_upper, atol=1e-7 * wide.within.sum(), rtol=0
    )


def test_ignored_rows_are_counted(client, run_name):
    data = DATA["balanced"]
    features, labels = tensors(data, torch.float32)
    labels[::7] = 3
    features[::14] = float("nan")  # of rows that nobody looks at
    with client.stream(run_name, 0, num_classes=6, ignore_index=3) as stream:
        stream.add(features, labels)
        stream.classifier(*classifier(data))
    edge = EdgeStatistics(6, 16, CPU, ignore_index=3, nonfinite="refuse")
    edge.add(features, labels)
    state, _ = edge.finish(*classifier(data))
    assert state.header.ignored == int((labels == 3).sum())
    assert state.header.skipped_nonfinite == 0
    check_arrays(state, client.statistics(run_name, 0), 1e-7)


LIMITS = {
    "float32": 2.0**126,
    "bfloat16": 2.0**126,
    "float16": float("inf"),
    "float64": 2.0**220,
}


@pytest.mark.parametrize("dtype_name", TYPES)
def test_rows_that_are_not_finite_are_counted(client, run_name, dtype_name):
    data, dtype = DATA["balanced"], TYPES[dtype_name]
    features, labels = tensors(data, dtype)
    features[3, 0] = float("nan")
    features[50, 15] = float("-inf")
    features[51, 7] = -LIMITS[dtype_name]
    labels[60] = -100
    with client.stream(run_name, 0, num_classes=6, nonfinite="skip") as stream:
        stream.add(features, labels)
        stream.classifier(*classifier(data))
    edge = EdgeStatistics(6, 16, CPU)
    edge.add(features, labels)
    state, _ = edge.finish(*classifier(data))
    assert (state.header.skipped_nonfinite, state.header.ignored) == (3, 1)
    check_arrays(state, client.statistics(run_name, 0), 1e-14 if dtype_name == "float64" else 1e-7)


def test_the_classes_of_a_language_model(client, run_name):
    classes, dim, rows = 50257, 768, 8192
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(rows, dim, generator=generator)
    # Few tokens are frequent.
    labels = (torch.rand(rows, generator=generator).double() ** 8 * classes).long()
    edge = EdgeStatistics(classes, dim, CPU)
    began = time.monotonic()
    edge.add(features, labels)
    state, _ = edge.finish()
    seconds = time.monotonic() - began
    print(f"{rows} rows in {seconds:.1f} s", file=sys.stderr)
    with client.stream(run_name, 0, num_classes=classes) as stream:
        stream.add(features, labels)
    expected = client.statistics(run_name, 0)
    check_arrays(state, expected, 1e-7)
