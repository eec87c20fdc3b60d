"""Every metric of the server against the definitions written out in float64."""

import ml_dtypes
import numpy as np
import pytest

import oracle
import samples

REQUIRED = {
    "nc1": "pinv quotient vci cdnv cdnv_max cdnv_fourth within_trace between_trace total_trace "
    "outside_span rank condition precision_floor",
    "nc2.means": "equinorm equinorm_raw equiangular max_angle coherence etf_error etf_floor",
    "nc2.classifier": "equinorm equinorm_raw equiangular max_angle coherence etf_error etf_floor",
    "nc3": "distance structure_error cosine_mean cosine_std cosine_min uniform_duality "
    "bias_collapse nc0",
    "spectrum.within": "effective_rank stable_rank participation_ratio",
    "spectrum.between": "effective_rank stable_rank participation_ratio",
    "spectrum.total": "effective_rank stable_rank participation_ratio",
    "nc4": "agreement ncc_accuracy classifier_accuracy",
}

TYPES = {
    "float64": (np.float64, 1e-9),
    "float32": (np.float32, 1e-6),
    "float16": (np.float16, 1e-6),
    "bfloat16": (ml_dtypes.bfloat16, 1e-6),
}


def value_at(report, path):
    for name in path.split("."):
        report = getattr(report, name)
    return report


def stream(client, run, data, dtype, epoch=0, batch=37, **options):
    """Streams a data set in batches of an odd size; returns the report."""
    with client.stream(run, epoch, num_classes=data.num_classes, **options) as opened:
        for begin in range(0, len(data.labels), batch):
            rows = slice(begin, begin + batch)
            opened.add(data.features[rows].astype(dtype), data.labels[rows])
        narrow = np.float64 if dtype is np.float64 else np.float32
        opened.classifier(data.weight.astype(narrow), data.bias.astype(narrow))
    return opened.report


def check(report, data, tolerance, dtype_name, weighting="uniform"):
    expected = oracle.metrics(
        data.features,
        data.labels,
        data.num_classes,
        data.weight,
        data.bias,
        weighting=weighting,
        dtype=dtype_name,
    )
    required = {f"{group}.{name}" for group in REQUIRED for name in REQUIRED[group].split()}
    assert required <= set(expected)
    wrong = []
    for path, value in expected.items():
        got = value_at(report, path)
        # What is ideally 0 has the size of what it is made of, which is 1.
        limit = tolerance * max(abs(value), 1e-3)
        if got is None or not abs(got - value) <= limit:
            wrong.append(f"{path}: expected {value!r}, got {got!r} ({report.why(path)})")
    assert not wrong, "\n".join(wrong)


# Two bytes cannot hold a spread of 1e-4 about 10.
CASES = [
    (dtype_name, name)
    for dtype_name in TYPES
    for name in samples.NAMES
    if "16" not in dtype_name or name != "collapsed_far_from_origin"
]


@pytest.mark.parametrize(("dtype_name", "name"), CASES)
def test_metrics_are_as_defined(client, run_name, name, dtype_name):
    dtype, tolerance = TYPES[dtype_name]
    data = samples.make(name)
    if dtype_name != "float64":
        data = data.rounded(dtype)
    report = stream(client, run_name, data, dtype)
    assert report.conventions.input_type == dtype_name
    check(report, data, tolerance, dtype_name)


def test_weighting_by_count(client, run_name):
    data = samples.make("imbalanced")
    report = stream(client, run_name, data, np.float64, weighting="by_count")
    assert report.conventions.weighting == "by_count"
    check(report, data, 1e-9, "float64", weighting="by_count")


def test_eigenvalues_are_those_asked_for(client, run_name):
    data = samples.make("imbalanced")
    dim = data.features.shape[1]
    report = stream(client, run_name, data, np.float64, spectrum="all")
    means = np.stack([data.features[data.labels == c].mean(axis=0) for c in data.labels])
    expected = np.linalg.eigvalsh(np.cov((data.features - means).T, bias=True))[::-1]
    assert len(report.spectrum.within.eigenvalues) == dim
    np.testing.assert_allclose(report.spectrum.within.eigenvalues, expected, rtol=1e-9, atol=1e-12)
    report = stream(client, run_name, data, np.float64, epoch=1, spectrum="none")
    assert report.spectrum.within.stable_rank is None
    assert "not asked for" in report.why("spectrum.within.stable_rank")


def test_the_margin_is_that_of_the_hulls_where_asked_for(client, run_name):
    # Three points in the plane: the hull of two others is a segment.
    means = np.array([[3.0, 0.0], [-3.0, 3.0], [0.0, -3.0]])
    features = np.repeat(means, 2, axis=0) + np.tile([[0.125, 0], [-0.125, 0]], (3, 1))
    labels = np.repeat(np.arange(3), 2)
    units = means / np.linalg.norm(means, axis=1, keepdims=True)
    distances = []
    for c in range(3):
        a, b = np.delete(units, c, axis=0) - units[c]
        share = np.clip(-a @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        distances.append(np.linalg.norm(a + share * (b - a)))
    for epoch, asked in enumerate((False, True)):
        with client.stream(run_name, epoch, num_classes=3, one_vs_rest_margin=asked) as opened:
            opened.add(features, labels)
        got = opened.report.nc2.means
        if not asked:
            assert got.one_vs_rest_margin is None
            continue
        assert abs(got.one_vs_rest_margin - min(distances)) < 1e-13
        assert 0 <= got.one_vs_rest_margin_gap < 1e-13
        assert got.one_vs_rest_margin_class == int(np.argmin(distances))


def test_the_table_of_classes(client, run_name):
    data = samples.make("absent_class")
    report = stream(client, run_name, data, np.float64)
    present = np.unique(data.labels)
    assert report.class_column("label").tolist() == present.tolist()
    assert report.class_column("count").tolist() == [20] * 6
    assert report.data.absent == (1, 4)
    means = np.stack([data.features[data.labels == c].mean(axis=0) for c in present])
    centred = means - means.mean(axis=0)
    within = [
        ((data.features[data.labels == c] - mean) ** 2).sum(axis=1).mean()
        for c, mean in zip(present, means, strict=True)
    ]
    norms = np.linalg.norm(centred, axis=1)
    weight = data.weight[present]
    weight_norms = np.linalg.norm(weight, axis=1)
    distances = np.linalg.norm(means[:, None] - means[None], axis=2) + np.diag([np.inf] * 6)
    for column, expected in {
        "within_variance": within,
        "mean_norm": norms,
        "weight_norm": weight_norms,
        "cosine": (weight * centred).sum(axis=1) / norms / weight_norms,
        "nearest_class": present[distances.argmin(axis=1)],
        "nearest_distance": distances.min(axis=1),
    }.items():
        np.testing.assert_allclose(report.class_column(column), expected, rtol=1e-9, err_msg=column)
    decided = np.argmax(data.features @ data.weight.T + data.bias, axis=1)
    right = [np.mean(decided[data.labels == c] == c) for c in present]
    np.testing.assert_allclose(report.class_column("classifier_accuracy"), right, rtol=1e-12)


def test_predictions_stand_for_the_classifier(client, run_name):
    data = samples.make("balanced")
    decided = np.argmax(data.features @ data.weight.T + data.bias, axis=1)
    with client.stream(run_name, 0, num_classes=6) as opened:
        for begin in range(0, len(data.labels), 50):
            rows = slice(begin, begin + 50)
            opened.add(data.features[rows], data.labels[rows], predictions=decided[rows])
    report = opened.report
    expected = oracle.metrics(data.features, data.labels, 6, data.weight, data.bias)
    for path in ("nc4.agreement", "nc4.classifier_accuracy", "nc4.ncc_accuracy"):
        assert value_at(report, path) == pytest.approx(expected[path], rel=1e-12)
    assert report.nc4.decision_source == "predictions"
    assert report.nc3.distance is None
    assert report.why("nc3.distance")


def test_the_same_input_gives_the_same_bits(client, run_name):
    data = samples.make("imbalanced").rounded(np.float32)
    first, second = (stream(client, run_name, data, np.float32, epoch=e) for e in (0, 1))
    for group in ("nc1", "nc2", "nc3", "classes"):
        assert getattr(first, group) == getattr(second, group)
    assert first.nc4.agreement == second.nc4.agreement
