"""Other tools' numbers in a report against transcriptions of what those tools publish."""

import numpy as np
import pytest

import profiles
import samples
from test_files import report_of, save
from test_metrics import stream

NAMES = ("papyan", "geometric", "linguistic", "rw")
TYPES = {"float64": (np.float64, 1e-9), "float32": (np.float32, 1e-6)}


def make(name):
    """A data set; "imbalanced_plane" has class means of low rank that are not mu_G's only ones."""
    if name != "imbalanced_plane":
        return samples.make(name)
    data = samples.make("rank_deficient")
    kept = np.concatenate([np.flatnonzero(data.labels == c)[: 2 + 2 * c] for c in range(9)])
    # Means that are exactly in a plane, as those of the samples that are left are not.
    features = data.features[kept].copy()
    labels = data.labels[kept]
    rng = np.random.default_rng(3)
    means = rng.standard_normal((9, 2)) @ rng.standard_normal((2, features.shape[1]))
    for c in range(9):
        features[labels == c] += means[c] - features[labels == c].mean(axis=0)
    return samples.Samples(features, labels, 9, data.weight, data.bias)


def check(report, expected, tolerance):
    wrong = []
    got = {number.name: number for number in report.profile_numbers}
    assert set(got) == set(expected)
    for name, value in expected.items():
        number = got[name]
        assert number.formula
        assert number.source
        assert number.standard_error is None
        if value is None:
            assert number.value is None
            assert report.why(f"profile.{name}")
        elif number.value != pytest.approx(value, rel=tolerance, abs=1e-14):
            reason = report.why(f"profile.{name}")
            wrong.append(f"{name}: expected {value!r}, got {number.value!r} ({reason})")
    assert not wrong, "\n".join(wrong)


def without_bias(data):
    return samples.Samples(
        data.features, data.labels, data.num_classes, data.weight, np.zeros(data.num_classes)
    )


def expected_of(profile, data):
    return getattr(profiles, profile)(data.features, data.labels, data.weight, data.bias)


CASES = [
    (dtype_name, name)
    for dtype_name in TYPES
    for name in (*samples.NAMES, "imbalanced_plane")
    # Rounded to float32, its means are not in a plane.
    if dtype_name == "float64" or "plane" not in name
]


@pytest.mark.parametrize(("dtype_name", "name"), CASES)
@pytest.mark.parametrize("profile", NAMES)
def test_numbers_are_as_published(client, run_name, profile, name, dtype_name):
    dtype, tolerance = TYPES[dtype_name]
    data = make(name)
    if profile in ("linguistic", "rw"):
        data = without_bias(data)
    if dtype_name != "float64":
        data = data.rounded(dtype)
    report = stream(client, run_name, data, dtype, profile=profile)
    assert report.conventions.profile == profile
    check(report, expected_of(profile, data), tolerance)


@pytest.mark.parametrize("profile", NAMES)
def test_the_weighting_is_the_tools_own(client, run_name, profile):
    data = without_bias(samples.make("imbalanced"))
    plain = stream(client, run_name, data, np.float64, weighting="by_count")
    report = stream(
        client, run_name, data, np.float64, epoch=1, weighting="by_count", profile=profile
    )
    check(report, expected_of(profile, data), 1e-9)
    for group in ("nc1", "nc2", "nc3", "nc4", "classes"):
        if group != "nc4":  # whose centres name the epoch
            assert getattr(report, group) == getattr(plain, group)
    assert plain.profile_numbers == ()
    assert plain.conventions.profile == "default"


@pytest.mark.parametrize("profile", ["linguistic", "rw"])
def test_agreement_with_a_bias_is_not_the_tools(client, run_name, profile):
    data = samples.make("imbalanced")
    report = stream(client, run_name, data, np.float64, profile=profile)
    expected = expected_of(profile, data)
    for name in ("hits", "misses", "agreement", "nc4_agree"):
        if name in expected:
            expected[name] = None
            assert "without b" in report.why(f"profile.{name}")
    check(report, expected, 1e-9)
    assert report.nc4.agreement is not None


@pytest.mark.parametrize("profile", NAMES)
def test_without_a_classifier(client, run_name, profile):
    data = samples.make("balanced")
    with client.stream(run_name, 0, num_classes=6, profile=profile) as opened:
        opened.add(data.features, data.labels)
    needed = {
        "papyan": "norm_W_CoV cos_W W_M_dist NCC_mismatch accuracy",
        "geometric": "ETF_metric ETF_metric_centered WH_relation_metric Wh_b_relation_metric",
        "linguistic": "dual_error simdot_mean simdot_var simcos_mean simcos_var dists_mean "
        "dists_var hits misses agreement",
        "rw": "nc3_dual_err nc3u_uni_dual nc4_agree nc5_ood_dev",
    }[profile].split()
    expected = expected_of(profile, data)
    check(opened.report, expected | dict.fromkeys(needed), 1e-9)


def test_deviation_of_out_of_distribution_samples(client, run_name):
    train, ood = samples.make("imbalanced"), samples.make("balanced")
    features = ood.features[:, :12] + 1
    stream(client, run_name, train, np.float64)
    with client.stream(run_name, 0, "ood", num_classes=7, profile="rw") as opened:
        opened.add(features[:100], ood.labels[:100])
    numbers = {number.name: number.value for number in opened.report.profile_numbers}
    expected = profiles.rw_ood_deviation(
        features[:100], ood.labels[:100], train.features, train.labels
    )
    assert numbers["nc5_ood_dev"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("profile", NAMES)
def test_of_files(tmp_path, profile):
    data = without_bias(samples.make("absent_class"))
    report = report_of(
        save(tmp_path / "x.npz", data=data), "--num-classes", 8, "--profile", profile
    )
    assert report.conventions.profile == profile
    check(report, expected_of(profile, data), 1e-9)
