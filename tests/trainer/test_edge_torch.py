"""How an edge state is summed: no waiting for the device, whatever torch is set to."""

import contextlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from ncscope import errors
from ncscope.edge import Centers, EdgeStatistics, arithmetic
from torch.utils._python_dispatch import TorchDispatchMode

from edge_data import CPU, DATA, TYPES, classifier, summed, tensors
from test_edge import check_arrays

WAITS = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "masked_select", "unique", "equal")


class NoWaiting(TorchDispatchMode):
    """Fails for operations that on a CUDA device wait for what it has computed."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function.__name__.split(".")[0]
        self.seen.add(name)
        assert not any(name == wait or name.startswith(f"{wait}_") for wait in WAITS), name
        if name.startswith("index"):
            places = [a for a in arguments if isinstance(a, list | tuple)]
            masks = [t for p in places for t in p if t is not None and t.dtype == torch.bool]
            assert not masks, f"{name} by a mask"
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize("dtype_name", TYPES)
def test_add_waits_for_nothing(dtype_name):
    data, dtype = DATA["several_chunks"], TYPES[dtype_name]
    features, labels = tensors(data, dtype)
    weight, bias = classifier(data)
    centers = summed(data, dtype).next_centers(0)
    edge = EdgeStatistics(30, 40, CPU, centers=centers)
    with NoWaiting() as mode:
        edge.add(features[:3000], labels[:3000], weight.to(dtype), bias.to(dtype))
        edge.add(features[3000:], labels[3000:].int(), predictions=labels[3000:])
    assert {"index_add_", "index_copy_", "mm"} <= mode.seen
    with NoWaiting(), pytest.raises(AssertionError, match="_local_scalar_dense"):
        edge.finish()


def test_the_mode_sees_what_waits():
    values = torch.arange(4)
    for wait in (lambda: values[0].item(), lambda: values.nonzero(), lambda: values[values > 1]):
        with NoWaiting(), pytest.raises(AssertionError):
            wait()


@contextlib.contextmanager
def fast_products():
    """Float32 products of fewer bits, where the device has them."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


SETTINGS = {
    "fast products": fast_products,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference": torch.inference_mode,
    "no gradients": torch.no_grad,
    "deterministic": deterministic,
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_the_trainer_change_nothing(setting):
    data = DATA["several_chunks"]
    features, labels = tensors(data, torch.float32)
    weight, bias = (part.float() for part in classifier(data))
    centers = summed(data, torch.float32).next_centers(0)

    def run(inside):
        with inside():
            edge = EdgeStatistics(30, 40, CPU, centers=centers)
            edge.add(features[:100] + 0, labels[:100], weight, bias)
        edge.add(features[100:4000], labels[100:4000], weight, bias)
        with inside():
            edge.add(features[4000:] + 0, labels[4000:], weight, bias)
            return edge.finish()

    plain, plain_decisions = run(contextlib.nullcontext)
    state, decisions = run(SETTINGS[setting])
    for name in ("means", "within", "scatter_upper"):
        np.testing.assert_array_equal(getattr(state, name), getattr(plain, name))
    np.testing.assert_array_equal(decisions.agreements, plain_decisions.agreements)


def test_tensors_that_are_trained_on_stay_out_of_the_graph():
    data = DATA["balanced"]
    features, labels = tensors(data, torch.float32)
    weight, bias = (part.float().requires_grad_() for part in classifier(data))
    features = (features.requires_grad_() * 1).relu()
    edge = EdgeStatistics(6, 16, CPU, centers=summed(data, torch.float32).next_centers(0))
    edge.add(features, labels, weight, bias)
    state, _ = edge.finish(weight, bias)
    np.testing.assert_array_equal(state.weight, weight.detach().numpy().astype(np.float64))
    features.sum().backward()
    assert weight.grad is None


def test_a_batch_may_be_changed_after_add():
    data = DATA["balanced"]
    features, labels = tensors(data, torch.float32)
    edge = EdgeStatistics(6, 16, CPU)
    batch, classes = features.clone(), labels.clone()
    edge.add(batch, classes)
    batch.zero_()
    classes.zero_()
    state, _ = edge.finish()
    np.testing.assert_array_equal(state.means, summed(data, torch.float32).finish()[0].means)


def test_layouts_of_tensors_do_not_matter():
    data = DATA["balanced"]
    features, labels = tensors(data, torch.float32)
    edge = EdgeStatistics(6, 16, CPU)
    edge.add(features.T.contiguous().T, torch.stack([labels, labels], 1)[:, 0].to(torch.uint8))
    edge.add(features[:0], labels[:0])
    state, _ = edge.finish()
    expected, _ = summed(data, torch.float32).finish()
    np.testing.assert_array_equal(state.scatter_upper, expected.scatter_upper)


def precisions():
    if not hasattr(torch.backends, "fp32_precision"):  # before torch 2.9
        return {torch.get_float32_matmul_precision()}
    matmul = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)
    return {settings.fp32_precision for settings in matmul}


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_the_precision_of_products_is_put_back(precision):
    torch.set_float32_matmul_precision(precision)
    before = precisions()
    try:
        with arithmetic.float32_products():
            assert precisions() <= {"highest", "ieee", "none"}
        assert precisions() == before
        with contextlib.suppress(KeyError), arithmetic.float32_products():
            raise KeyError
        assert precisions() == before
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision("highest")


def test_threads_leave_the_precision_as_it_was():
    torch.set_float32_matmul_precision("high")
    try:
        work = [
            threading.Thread(target=summed, args=(DATA["several_chunks"], torch.float32, 2048))
            for _ in range(4)
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_bad_labels_are_named_when_the_state_is_taken():
    data = DATA["balanced"]
    features, labels = tensors(data, torch.float32)
    edge = EdgeStatistics(6, 16, CPU)
    edge.add(features, labels)
    labels[[7, 11, 12]] = torch.tensor([6, -1, 1 << 40])
    edge.add(features, labels)
    text = (
        r"labels: expected integers in \[0, 6\) or ignore_index -100; got 6 at row 247, "
        "and 2 more$"
    )
    for _ in range(2):
        with pytest.raises(errors.InvalidArgument, match=text):
            edge.finish()


@pytest.mark.parametrize(
    ("dtype_name", "limit"),
    [("float32", r" below 2\^126"), ("float16", ""), ("float64", r" below 2\^220")],
)
def test_features_that_are_not_finite_are_refused_on_request(dtype_name, limit):
    features, labels = tensors(DATA["balanced"], TYPES[dtype_name])
    features[100, 3] = float("inf")
    features[200, 3] = float("nan")
    edge = EdgeStatistics(6, 16, CPU, nonfinite="refuse")
    edge.add(features, labels)
    text = rf"finite ones{limit}.*; got others at row 100 \(label {labels[100]}\), and 1 more$"
    with pytest.raises(errors.InvalidArgument, match=text):
        edge.finish()


def test_what_does_not_fit_is_refused_at_once():
    features, labels = torch.zeros(5, 16), torch.zeros(5, dtype=torch.int64)
    edge = EdgeStatistics(6, 16, CPU)
    for batch, text in (
        ((features[:, :15], labels), r"expected features of shape \[n, 16\]; got \[5, 15\]"),
        ((features[0], labels), r"expected features of shape \[n, 16\]; got \[16\]"),
        ((features.long(), labels), "expected features of float32, .*; got int64"),
        ((features, labels[:4]), r"expected labels of shape \[5\]; got \[4\]"),
        ((features, labels.float()), "expected labels of an integer type; got float32"),
        ((features, labels.bool()), "expected labels of an integer type; got bool"),
        ((features.to("meta"), labels), "expected features on cpu; got them on meta"),
        ((features, labels.to("meta")), "expected labels on cpu; got them on meta"),
    ):
        with pytest.raises(errors.InvalidArgument, match=text):
            edge.add(*batch)
    edge.add(features, labels)
    with pytest.raises(errors.InvalidArgument, match="of float32, as before; got float64"):
        edge.add(features.double(), labels)
    for classifier_, text in (
        ((torch.zeros(5, 16),), r"expected weight of shape \[6, 16\]; got \[5, 16\]"),
        ((torch.zeros(6, 16), torch.zeros(5)), r"expected bias of shape \[6\]; got \[5\]"),
        ((None, torch.zeros(6)), "expected a weight with the bias"),
    ):
        with pytest.raises(errors.InvalidArgument, match=text):
            edge.finish(*classifier_)
    for options, text in (
        ((0, 16), r"expected num_classes in \[1, 2\^31\); got 0"),
        ((6, -1), r"expected dim in \[1, 2\^31\); got -1"),
    ):
        with pytest.raises(errors.InvalidArgument, match=text):
            EdgeStatistics(*options, CPU)
    with pytest.raises(errors.InvalidArgument, match="expected nonfinite of skip, refuse; got 'x'"):
        EdgeStatistics(6, 16, CPU, nonfinite="x")


def test_the_package_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import ncscope\n"
        "try:\n    import ncscope.edge\n"
        "except ImportError as error:\n    print(error.name)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "torch\n"


@pytest.fixture
def cuda():
    if not torch.cuda.is_available():
        required = os.environ.get("NCSCOPE_REQUIRE_CUDA") == "1"
        (pytest.fail if required else pytest.skip)("there is no CUDA device")
    return torch.device("cuda")


@pytest.mark.parametrize("dtype_name", TYPES)
def test_a_cuda_device_sums_the_same_without_waiting(cuda, dtype_name):
    data, dtype = DATA["several_chunks"], TYPES[dtype_name]
    means = summed(data, dtype).next_centers(0)
    batch = (*tensors(data, dtype), *(part.to(dtype) for part in classifier(data)))

    def run(device):
        centers = Centers(0, means.means.to(device), means.present.to(device))
        edge = EdgeStatistics(30, 40, device, centers=centers)
        features, labels, weight, bias = (part.to(device) for part in batch)
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("error")
        try:
            edge.add(features[:3000], labels[:3000], weight, bias)
            edge.add(features[3000:], labels[3000:], weight, bias)
        finally:
            if device.type == "cuda":
                torch.cuda.set_sync_debug_mode("default")
        return edge.finish(weight, bias)

    expected, expected_decisions = run(CPU)
    with fast_products():
        state, decisions = run(cuda)
    check_arrays(state, expected, 1e-14 if dtype == torch.float64 else 1e-7)
    for name in ("agreements", "nearest_correct", "classifier_correct"):
        counts = getattr(decisions, name)
        np.testing.assert_array_equal(counts, getattr(expected_decisions, name))
