"""NC4 of an edge state against decisions written out in float64."""

import numpy as np
import pytest
import torch
from ncscope import errors
from ncscope.edge import Centers, EdgeStatistics

from edge_data import CPU, DATA, TYPES, batches, classifier, rows_of, streamed, summed, tensors


def decided(data, dtype, centers, size=100, weight=None, bias=None, **options):
    edge = EdgeStatistics(data.num_classes, data.features.shape[1], CPU, centers=centers, **options)
    for features, labels in batches(*tensors(data, dtype), size=size):
        edge.add(features, labels, weight, bias)
    return edge.finish()[1]


def expected_counts(data, dtype, centers, chosen):
    """Plain float64: distances to every centre; `chosen` [N] is what the classifier decides."""
    features = tensors(data, dtype)[0].double().numpy()
    means = np.where(centers.present.numpy()[:, None], centers.means.numpy(), np.inf)
    distances = np.array([((h - means) ** 2).sum(axis=1) for h in features])
    nearest = distances.argmin(axis=1)
    present = np.unique(data.labels)
    return [
        [int(np.sum(agree[data.labels == c])) for c in present]
        for agree in (chosen == nearest, nearest == data.labels, chosen == data.labels)
    ]


def check(decisions, expected, epoch=0):
    assert decisions.centers_epoch == epoch
    got = (decisions.agreements, decisions.nearest_correct, decisions.classifier_correct)
    for name, counts, wanted in zip(("agree", "nearest", "classifier"), got, expected, strict=True):
        assert counts.dtype == np.uint64
        np.testing.assert_array_equal(counts, wanted, err_msg=name)


def decide(data, dtype, weight, bias):
    """Returns argmax(W h + b) of the rounded features, in float64."""
    scores = tensors(data, dtype)[0].double() @ weight.double().T
    return (scores if bias is None else scores + bias.double()).argmax(1).numpy()


CASES = [
    (dtype_name, name)
    for dtype_name in TYPES
    for name in DATA
    if dtype_name in ("float32", "float64") or "collapsed" not in name
]


@pytest.mark.parametrize(("dtype_name", "name"), CASES)
def test_decisions_are_those_of_float64(dtype_name, name):
    data, dtype = DATA[name], TYPES[dtype_name]
    weight, bias = classifier(data)
    weight, bias = weight.to(dtype), bias.to(dtype)
    centers = summed(rows_of(data, slice(0, len(data.labels) // 2)), dtype).next_centers(4)
    for b in (bias, None):
        chosen = decide(data, dtype, weight, b)
        decisions = decided(data, dtype, centers, weight=weight, bias=b)
        check(decisions, expected_counts(data, dtype, centers, chosen), epoch=4)


def test_predictions_stand_for_the_classifier():
    data = DATA["imbalanced"]
    chosen = decide(data, torch.float32, *classifier(data))
    centers = summed(data, torch.float32).next_centers(1)
    edge = EdgeStatistics(7, 12, CPU, centers=centers)
    for features, labels, part in batches(
        *tensors(data, torch.float32), torch.from_numpy(chosen).int(), size=30
    ):
        edge.add(features, labels, predictions=part)
    check(edge.finish()[1], expected_counts(data, torch.float32, centers, chosen), epoch=1)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32])
def test_labels_and_predictions_of_few_bits(dtype):
    """Of more classes than they can name."""
    centers = Centers(0, torch.arange(300.0).double().unsqueeze(1), torch.ones(300) > 0)
    edge = EdgeStatistics(300, 1, CPU, centers=centers)
    labels = torch.tensor([0, 100, 127], dtype=dtype)
    edge.add(labels.float().unsqueeze(1), labels, predictions=labels)
    state, decisions = edge.finish()
    assert state.classes.tolist() == [0, 100, 127]
    assert decisions.agreements.tolist() == [1, 1, 1]
    assert decisions.nearest_correct.tolist() == [1, 1, 1]


def test_predictions_out_of_range_are_named():
    data = DATA["balanced"]
    features, labels = tensors(data, torch.float32)
    predictions = labels.clone()
    edge = EdgeStatistics(6, 16, CPU, centers=summed(data, torch.float32).next_centers(0))
    labels[5] = -100
    predictions[5] = 99  # of a row that nobody looks at
    edge.add(features, labels, predictions=predictions)
    edge.finish()
    predictions[[8, 12]] = torch.tensor([6, -1])
    edge.add(features, labels, predictions=predictions)
    with pytest.raises(
        errors.InvalidArgument,
        match=r"predictions: expected integers in \[0, 6\); got 6 at row 248",
    ):
        edge.finish()


@pytest.mark.parametrize("dtype_name", ["float32", "float64"])
def test_ties_go_to_the_lowest_class(dtype_name):
    """Class c is where c + 3000 and c + 6000 are, in other tiles; and a classifier of zeros."""
    dtype = TYPES[dtype_name]
    generator = torch.Generator().manual_seed(3)
    points = 5 + torch.randn(3000, 8, generator=generator, dtype=torch.float64)
    centers = Centers(0, points.repeat(3, 1), torch.ones(9000, dtype=torch.bool))
    labels = torch.cat([torch.arange(300), torch.arange(300) + 3000])
    edge = EdgeStatistics(9000, 8, CPU, centers=centers)
    edge.add(centers.means[labels].to(dtype), labels, torch.zeros(9000, 8, dtype=dtype))
    decisions = edge.finish()[1]
    assert decisions.nearest_correct.tolist() == [1] * 300 + [0] * 300
    assert decisions.classifier_correct.tolist() == [1] + [0] * 599
    # Both samples, of 0 and of 3000, are nearest to 0.
    assert decisions.agreements.tolist() == [1] + [0] * 299 + [1] + [0] * 299


@pytest.mark.parametrize("dtype_name", ["float32", "float64"])
def test_of_many_equal_centers_the_lowest_is_nearest(dtype_name):
    """Products of equal rows need not be equal: how they round depends on where the rows are."""
    dtype = TYPES[dtype_name]
    generator = torch.Generator().manual_seed(3)
    points = 5 + torch.randn(3, 8, generator=generator, dtype=torch.float64)
    means = points[torch.arange(9000) % 3]
    centers = Centers(0, means, torch.ones(9000, dtype=torch.bool))
    labels = torch.arange(8700, 9000)
    edge = EdgeStatistics(9000, 8, CPU, centers=centers)
    edge.add((means[labels] + 0.01).to(dtype), labels, predictions=labels % 3)
    assert edge.finish()[1].agreements.tolist() == [1] * 300


def test_the_last_and_lowest_of_many_classes_win():
    """Tiles of classes: each class is nearest to its own centre, in whatever tile it is."""
    generator = torch.Generator().manual_seed(4)
    means = torch.randn(10000, 20, generator=generator, dtype=torch.float64)
    centers = Centers(2, means, torch.ones(10000, dtype=torch.bool))
    labels = torch.tensor([0, 1, 4095, 4096, 4097, 8191, 8192, 9999])
    edge = EdgeStatistics(10000, 20, CPU, centers=centers)
    edge.add(means[labels].float(), labels, means.float(), -means.square().sum(1).float() / 2)
    decisions = edge.finish()[1]
    for counts in (decisions.agreements, decisions.nearest_correct, decisions.classifier_correct):
        assert counts.tolist() == [1] * 8


def test_nearly_equal_centers_far_from_the_origin():
    """Centres 1e-6 apart about 1000: float32 distances there are rounded to 6e-2."""
    generator = torch.Generator().manual_seed(5)
    offsets = torch.randn(50, 32, generator=generator, dtype=torch.float64)
    means = 1000 + 1e-6 * offsets
    centers = Centers(0, means, torch.ones(50, dtype=torch.bool))
    labels = torch.arange(50)
    edge = EdgeStatistics(50, 32, CPU, centers=centers)
    edge.add(means, labels, predictions=labels)
    assert edge.finish()[1].nearest_correct.tolist() == [1] * 50


def test_rows_that_are_dropped_decide_nothing():
    data = DATA["balanced"]
    features, labels = tensors(data, torch.float32)
    centers = summed(data, torch.float32).next_centers(0)
    weight, bias = classifier(data)
    edge = EdgeStatistics(6, 16, CPU, centers=centers)
    edge.add(features, labels, weight.float(), bias.float())
    whole = edge.finish()[1]
    for row, label in ((features[0] * float("nan"), 1), (features[1], -100)):
        edge.add(row.unsqueeze(0), torch.tensor([label]), weight.float(), bias.float())
    again = edge.finish()[1]
    np.testing.assert_array_equal(again.agreements, whole.agreements)
    np.testing.assert_array_equal(again.nearest_correct, whole.nearest_correct)


def test_classes_without_a_center_are_never_nearest():
    data = DATA["balanced"]
    whole = summed(data, torch.float32).next_centers(0)
    means = whole.means.clone()
    means[2] = float("nan")
    centers = Centers(0, means, torch.arange(6) != 2)
    chosen = decide(data, torch.float32, *classifier(data))
    weight, bias = classifier(data)
    decisions = decided(data, torch.float32, centers, weight=weight, bias=bias)
    expected = expected_counts(data, torch.float32, centers, chosen)
    check(decisions, expected)
    assert expected[1][2] == 0


def test_centers_are_the_class_means(client, run_name):
    data = DATA["absent_class"]
    _, state = streamed(client, run_name, data, torch.float32)
    centers = summed(data, torch.float32).next_centers(9)
    assert (centers.epoch, centers.means.dtype) == (9, torch.float64)
    assert centers.present.nonzero().squeeze(1).tolist() == state.classes.tolist()
    np.testing.assert_allclose(centers.means[centers.present].numpy(), state.means, rtol=1e-14)
    merged = Centers.from_statistics(9, state)
    assert torch.equal(merged.present, centers.present)
    np.testing.assert_allclose(merged.means, centers.means, rtol=1e-14)


def test_what_is_no_center_is_refused():
    means, present = torch.zeros(6, 16, dtype=torch.float64), torch.ones(6, dtype=torch.bool)
    for centers, text in (
        (Centers(0, means[:5], present[:5]), r"expected centers of shape \[6, 16\]; got \[5, 16\]"),
        (Centers(0, means, present[:5]), r"present \[5\]"),
        (Centers(0, means, ~present), "of at least one class; got none"),
        (Centers(0, means.to("meta"), present), "expected centers on cpu; got them on meta"),
    ):
        with pytest.raises(errors.InvalidArgument, match=text):
            EdgeStatistics(6, 16, CPU, centers=centers)


def test_what_is_no_classifier_is_refused():
    data = DATA["balanced"]
    features, labels = tensors(data, torch.float32)
    weight, bias = classifier(data)
    edge = EdgeStatistics(6, 16, CPU, centers=summed(data, torch.float32).next_centers(0))
    for arguments, text in (
        ((), "expected weight or predictions"),
        (
            (weight[:5], bias),
            r"expected weight of shape \[6, 16\]; got \[5, 16\]",
        ),
        ((weight.long(), bias), "expected weight of float32, .*; got int64"),
        ((weight, bias[:5]), r"expected bias of shape \[6\]"),
        ((None, None, labels[:5]), r"expected predictions of shape \[240\]; got \[5\]"),
        ((None, None, labels.float()), "expected predictions of an integer type; got float32"),
    ):
        with pytest.raises(errors.InvalidArgument, match=text):
            edge.add(features, labels, *arguments)
    assert edge.finish()[0].header.samples == 0  # nothing of them was added


def test_without_centers_nothing_is_decided():
    data = DATA["balanced"]
    edge = EdgeStatistics(6, 16, CPU)
    edge.add(*tensors(data, torch.float32), *classifier(data))
    assert edge.finish()[1] is None
