"""Element types, byte orders and strides; cutting; conversion."""

import ml_dtypes
import numpy as np
import pytest
from ncscope.arrays import Features, dtype_name, labels_of
from ncscope.errors import InvalidArgument

VALUES = np.arange(12, dtype=np.float64).reshape(4, 3) - 5.5


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", ">f2", "<f8", ">f8", ml_dtypes.bfloat16])
@pytest.mark.parametrize("order", ["C", "F", "strided", "reversed"])
def test_bytes_are_row_major_and_little_endian(dtype, order):
    array = np.array(VALUES, dtype=dtype)
    given = {
        "C": array,
        "F": np.asfortranarray(array),
        "strided": np.repeat(np.repeat(array, 2, axis=0), 3, axis=1)[::2, ::3],
        "reversed": array[::-1, ::-1].copy()[::-1, ::-1],
    }[order]
    features = Features(given)
    expected = array.astype(array.dtype.newbyteorder("<")).tobytes()
    assert bytes(features.read(0, 4)) == expected
    row = len(expected) // 4
    assert bytes(features.read(1, 3)) == expected[row : 3 * row]
    assert features.row_bytes == row


def test_a_contiguous_array_is_not_copied():
    array = np.zeros((4, 3), np.float32)
    view = Features(array).read(1, 2)
    array[1] = 7
    assert np.frombuffer(view, np.float32).tolist() == [7, 7, 7]


@pytest.mark.parametrize("wanted", ["float32", "float16", "float64", "bfloat16"])
@pytest.mark.parametrize("given", [np.float32, np.float16, np.float64, ml_dtypes.bfloat16, np.int8])
def test_conversion_rounds_to_the_nearest(given, wanted):
    rng = np.random.default_rng(1)
    array = (rng.standard_normal((50, 7)) * 20).astype(given)
    numpy_type = np.dtype(ml_dtypes.bfloat16 if wanted == "bfloat16" else wanted)
    got = np.frombuffer(Features(array, wanted).read(0, 50), numpy_type).reshape(50, 7)
    # By way of float32, as ml_dtypes itself converts.
    expected = array.astype(np.float32).astype(numpy_type) if wanted == "bfloat16" else None
    np.testing.assert_array_equal(got, array.astype(numpy_type) if expected is None else expected)


def test_conversion_to_bfloat16_keeps_what_is_special():
    array = np.array([[np.nan, np.inf, -np.inf, 3.4e38, 1.00390625, 1.01171875, -0.0]], np.float32)
    got = np.frombuffer(Features(array, "bfloat16").read(0, 1), ml_dtypes.bfloat16)
    expected = array[0].astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(got.astype(float), expected.astype(float))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.zeros(3, np.float32), "shape [n, d]; got [3]"),
        (np.zeros((2, 2, 2), np.float32), "got [2, 2, 2]"),
        (np.zeros((2, 2), np.int32), "got int32"),
        (np.zeros((2, 2), np.complex64), "got complex64"),
        (np.array([[object()]]), "Python objects"),
        ([["a"]], "got str"),
    ],
)
def test_features_that_are_none_are_refused(values, text):
    with pytest.raises(InvalidArgument, match=text.replace("[", r"\[")):
        Features(values)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int16, np.uint8, np.uint32, ">i4", ">i8"])
def test_labels_travel_as_int64(dtype):
    labels = labels_of(np.array([0, 3, 1], dtype), 3)
    assert labels.dtype == np.dtype("<i8")
    assert labels.tolist() == [0, 3, 1]


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.array([0.0, 1.0]), "integer type; got float64"),
        (np.array([True, False]), "integer type; got bool"),
        (np.array([0, 1, 2]), "shape [2]; got [3]"),
        (np.array([[0, 1]]), "got [1, 2]"),
        (np.array([2**63, 1], np.uint64), "64 signed bits"),
    ],
)
def test_labels_that_are_none_are_refused(labels, text):
    with pytest.raises(InvalidArgument, match=text.replace("[", r"\[")):
        labels_of(labels, 2)


def test_names_of_types():
    assert dtype_name("bfloat16") == "bfloat16"
    assert dtype_name(np.float16) == "float16"
    assert dtype_name(">f8") == "float64"
    assert dtype_name(np.dtype(ml_dtypes.bfloat16)) == "bfloat16"
    assert dtype_name("torch.float32") == "float32"
    with pytest.raises(InvalidArgument, match="got int8"):
        dtype_name("int8")


def test_torch_tensors_of_every_type():
    torch = pytest.importorskip("torch")
    for dtype, name in [
        (torch.float32, "float32"),
        (torch.float16, "float16"),
        (torch.bfloat16, "bfloat16"),
        (torch.float64, "float64"),
    ]:
        tensor = torch.tensor(VALUES, dtype=dtype, requires_grad=True)
        features = Features(tensor.T)  # not contiguous
        assert features.dtype == name
        back = np.frombuffer(features.read(0, 3), ml_dtypes.bfloat16 if "b" in name else name)
        np.testing.assert_array_equal(back.astype(float).reshape(3, 4), VALUES.T)
    assert labels_of(torch.tensor([1, 2]), 2).tolist() == [1, 2]
