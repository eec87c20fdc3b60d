"""Files as numpy writes them, through `ncscope report --format json`."""

import io
import json
import subprocess
import zipfile

import ncscope
import numpy as np
import pytest

import samples
from servers import binary
from test_metrics import check, stream

DATA = samples.make("imbalanced")


def ncscope_report(*arguments):
    """Runs the command line; returns the completed process."""
    program = binary("ncscope", "NCSCOPE_BIN")
    command = [str(a) for a in (program, "report", *arguments, "--format", "json")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def report_of(*arguments):
    result = ncscope_report(*arguments)
    assert result.returncode == 0, result.stderr
    return ncscope.Report.from_json(result.stdout)


def refusal_of(*arguments):
    """The one line that says why; the exit code is 1."""
    result = ncscope_report(*arguments)
    assert result.returncode == 1, (result.returncode, result.stdout, result.stderr)
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    return result.stderr


def save(path, writer=np.savez, data=DATA, **changed):
    arrays = {
        "features": data.features,
        "labels": data.labels,
        "weight": data.weight,
        "bias": data.bias,
    }
    arrays.update(changed)
    writer(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "layout",
    ["C", "fortran", "big_endian", "fortran_big_endian"],
)
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2"])
def test_features_of_every_layout(tmp_path, writer, layout, dtype):
    data = DATA if dtype == "f8" else DATA.rounded(dtype)
    order = ">" if "big_endian" in layout else "<"
    array = data.features.astype(order + dtype)
    array = np.asfortranarray(array) if "fortran" in layout else array
    weight = np.asfortranarray(data.weight.astype(order + "f8"))
    path = save(tmp_path / "x.npz", writer, data, features=array, weight=weight)
    report = report_of(path)
    name = np.dtype(dtype).name
    assert report.conventions.input_type == name
    check(report, data, 1e-9 if dtype == "f8" else 1e-6, name)


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "<i2", ">i2", "<u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8"]
)
def test_labels_of_every_type(tmp_path, dtype):
    report = report_of(save(tmp_path / "x.npz", labels=DATA.labels.astype(dtype)))
    check(report, DATA, 1e-9, "float64")


def test_single_arrays_in_npy_files(tmp_path):
    options = []
    for name in ("features", "labels", "weight", "bias"):
        np.save(tmp_path / f"{name}.npy", getattr(DATA, name))
        options += [f"--{name}", tmp_path / f"{name}.npy"]
    check(report_of(*options), DATA, 1e-9, "float64")


def test_shards_give_the_numbers_of_the_whole(tmp_path):
    parts = [
        save(
            tmp_path / f"part{k}.npz",
            features=DATA.features[k::3],
            labels=DATA.labels[k::3],
            weight=DATA.weight if k == 1 else None,
            bias=DATA.bias if k == 1 else None,
        )
        for k in range(3)
    ]
    check(report_of(*parts, "--num-classes", 7), DATA, 1e-9, "float64")


def test_the_server_and_this_machine_agree(server, client, run_name, tmp_path):
    path = save(tmp_path / "x.npz")
    local = report_of(path)
    remote = report_of(path, "--server", server.address, "--run", run_name)
    streamed = stream(client, f"{run_name}-streamed", DATA, np.float64)
    for report in (local, remote, streamed):
        check(report, DATA, 1e-9, "float64")
        assert report.nc1.pinv == pytest.approx(local.nc1.pinv, rel=1e-10)
    assert client.report(run_name, 0).nc3 == remote.nc3


def test_the_json_is_that_of_the_package(server, client, run_name, tmp_path):
    result = ncscope_report(save(tmp_path / "x.npz"), "--server", server.address, "--run", run_name)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == json.loads(client.report(run_name, 0).to_json())


def npy_bytes(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"features": DATA.features.astype(object)}, "object"),
        ({"features": DATA.features.astype(np.complex128)}, "features"),
        ({"features": DATA.features[:, :, None]}, "features"),
        ({"features": DATA.features[:-1]}, "labels"),
        ({"features": DATA.features[:0], "labels": DATA.labels[:0]}, ""),
        ({"labels": DATA.labels.astype(float)}, "labels"),
        ({"labels": np.where(np.arange(len(DATA.labels)) == 3, 7, DATA.labels)}, "7"),
        ({"labels": np.where(np.arange(len(DATA.labels)) == 3, -1, DATA.labels)}, "-1"),
        ({"weight": DATA.weight[:, :5]}, "weight"),
        ({"bias": DATA.bias[:3]}, "bias"),
        ({"weight": np.full_like(DATA.weight, np.inf)}, "weight"),
        ({"labels": None}, "labels"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changed, text):
    assert text in refusal_of(save(tmp_path / "x.npz", **changed))


def test_a_value_that_is_not_finite_is_named(tmp_path):
    features = DATA.features.copy()
    features[5, 2] = np.nan
    path = save(tmp_path / "x.npz", features=features)
    line = refusal_of(path)
    assert "row 5" in line
    assert "column 2" in line
    assert report_of(path, "--nonfinite", "skip").data.skipped_nonfinite == 1


@pytest.mark.parametrize("kept", [0, 3, 60, 200, 0.3, 0.9, -1])
@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
def test_truncated_archives_are_refused(tmp_path, writer, kept):
    path = save(tmp_path / "x.npz", writer)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    refusal_of(path)


@pytest.mark.parametrize("kept", [0, 5, 9, 40, 127, 128, 1000, -1])
def test_truncated_arrays_are_refused(tmp_path, kept):
    for name in ("features", "labels"):
        (tmp_path / f"{name}.npy").write_bytes(npy_bytes(getattr(DATA, name)))
    path = tmp_path / "features.npy"
    path.write_bytes(path.read_bytes()[:kept])
    refusal_of("--features", path, "--labels", tmp_path / "labels.npy")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846976, 16), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 16), }",
        "{'descr': '<f3', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': '<f4', 'shape': (2, 2), }",
        "not a dict",
    ],
)
def test_headers_that_lie_are_refused(tmp_path, header):
    text = header.encode().ljust(117) + b"\n"
    lie = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 64
    (tmp_path / "features.npy").write_bytes(lie)
    np.save(tmp_path / "labels.npy", np.zeros(2, int))
    refusal_of("--features", tmp_path / "features.npy", "--labels", tmp_path / "labels.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("features.npy", lie)
        archive.writestr("labels.npy", npy_bytes(np.zeros(2, int)))
    refusal_of(tmp_path / "x.npz")


def test_an_archive_that_expands_without_end_is_refused(tmp_path):
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (7, 2), }".ljust(117) + b"\n"
    bomb = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64 << 20)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("features.npy", bomb)
        archive.writestr("labels.npy", npy_bytes(np.arange(7)))
    assert (tmp_path / "x.npz").stat().st_size < 1 << 20
    refusal_of(tmp_path / "x.npz")


def test_a_file_that_is_not_there(tmp_path):
    assert "nowhere.npz" in refusal_of(tmp_path / "nowhere.npz")
