"""Monitor on torch models: what the hook sees, and that training does not notice."""

import copy
import pickle
import random

import ncscope
import numpy as np
import pytest
import torch
from ncscope import errors
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

CLASSES, INPUTS, DIM = 5, 12, 16


class Small(nn.Module):
    def __init__(self, checkpointed=None):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(INPUTS, 32), nn.ReLU(), nn.Linear(32, DIM), nn.ReLU())
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(DIM, CLASSES)
        self.checkpointed = checkpointed

    def forward(self, x):
        def tail(h):
            return self.fc(self.dropout(h))

        h = self.body(x)
        if self.checkpointed is None or not self.training:
            return tail(h)
        return checkpoint(tail, h, use_reentrant=self.checkpointed == "reentrant")


def data(rows=320, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (rows,), generator=generator)
    means = torch.randn(CLASSES, INPUTS, generator=torch.Generator().manual_seed(1))
    return means[labels] + 0.5 * torch.randn(rows, INPUTS, generator=generator), labels


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Small()


@pytest.fixture
def monitor_of(server, run_name, tmp_path):
    made = []

    def make(model, head=None, **others):
        made.append(
            ncscope.Monitor(
                model,
                head,
                run=run_name,
                server=server.address,
                options=ncscope.MonitorOptions(spool_dir=tmp_path / "spool"),
                **others,
            )
        )
        return made[-1]

    yield make
    for each in made:
        assert each.close() is None


def expected(client, run_name, model, x, y, dtype=None):
    """The report of the head's input, taken by hand."""
    model.eval()
    with torch.no_grad():
        features = model.body(x)
    with client.stream(run_name + ".plain", 0, num_classes=CLASSES, dtype=dtype) as stream:
        stream.add(features, y)
        stream.classifier(model.fc.weight, model.fc.bias)
    return stream.report


def same(report, other):
    assert report.data.samples == other.data.samples
    for path in ("nc1.pinv", "nc1.quotient", "nc3.distance", "nc4.agreement"):
        group, name = path.split(".")
        assert getattr(getattr(report, group), name) == pytest.approx(
            getattr(getattr(other, group), name), rel=1e-6
        ), path


def test_measure_is_what_one_takes_by_hand(model, monitor_of, client, run_name):
    x, y = data()
    monitor = monitor_of(model)
    assert monitor.head_name == "fc"
    loader = DataLoader(TensorDataset(x, y), batch_size=64)
    report = monitor.measure(loader, epoch=0).result(30)
    same(report, expected(client, run_name, model, x, y))


@pytest.mark.parametrize("labels_first", [True, False])
def test_around_ones_own_pass(model, monitor_of, client, run_name, labels_first):
    x, y = data()
    monitor = monitor_of(model, "fc")
    model.eval()
    with torch.no_grad(), monitor.epoch(0) as epoch:
        for row in range(0, len(y), 50):
            if labels_first:
                epoch.labels(y[row : row + 50])
            model(x[row : row + 50])
            if not labels_first:
                epoch.labels(y[row : row + 50])
    model(x)  # outside of an epoch nothing is measured
    same(epoch.future.result(30), expected(client, run_name, model, x, y))


def test_measuring_leaves_training_as_it_was(monitor_of):
    def train(measures):
        torch.manual_seed(3), random.seed(3), np.random.seed(3)
        model = Small()
        model.body.eval()  # a part that is frozen stays so
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        x, y = data()
        loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
        monitor = monitor_of(model) if measures else None
        losses = []
        for epoch in range(3):
            for inputs, labels in loader:
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(inputs), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            if measures:
                monitor.measure(loader, epoch=epoch)
            losses += [random.random(), float(np.random.rand())]
            assert [m.training for m in (model, model.body, model.fc)] == [True, False, True]
        return losses

    assert train(True) == train(False)


def test_measuring_while_training(model, monitor_of):
    x, y = data()
    monitor = monitor_of(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for number in range(2):
        with monitor.epoch(number) as epoch:
            for row in range(0, len(y), 40):
                loss = nn.functional.cross_entropy(model(x[row : row + 40]), y[row : row + 40])
                epoch.labels(y[row : row + 40])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        report = epoch.future.result(30)
        assert (report.epoch, report.data.samples) == (number, 320)


@pytest.mark.parametrize("how", ["reentrant", "other"])
def test_gradient_checkpointing_does_not_count_twice(monitor_of, how):
    model = Small(checkpointed=how)
    x, y = data()
    x.requires_grad_(True)
    monitor = monitor_of(model)
    calls = []
    model.fc.register_forward_pre_hook(lambda *_: calls.append(1))
    with monitor.epoch(0) as epoch:
        for row in range(0, len(y), 40):
            loss = nn.functional.cross_entropy(model(x[row : row + 40]), y[row : row + 40])
            epoch.labels(y[row : row + 40])
            loss.backward()
    assert len(calls) == 16  # each batch twice
    assert epoch.future.result(30).data.samples == 320


@pytest.mark.parametrize("shape", [(40,), (4, 10)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_many_batches_alike(monitor_of, client, run_name, dtype, shape):
    x, y = data(rows=20_000)
    x = x[:, :7].to(dtype)  # rows of odd sizes
    monitor = monitor_of(None, num_classes=CLASSES)
    with monitor.epoch(0) as epoch:
        for row in range(0, 20_000, 40):
            features, labels = x[row : row + 40], y[row : row + 40]
            if row == 4000:
                labels = labels.to(torch.int32)  # one that is not alike
            if row == 8000:
                features = features.t().contiguous().t()
            epoch.observe(features.reshape(*shape, 7), labels.reshape(shape))
    with client.stream(run_name + ".plain", 0, num_classes=CLASSES) as plain:
        plain.add(x, y)
    report = epoch.future.result(30)
    assert report.data.samples == 20_000
    assert report.nc1.pinv == pytest.approx(plain.report.nc1.pinv, rel=1e-9)
    assert report.nc2.means.etf_error == pytest.approx(plain.report.nc2.means.etf_error, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_element_types(monitor_of, client, run_name, dtype):
    if dtype is torch.float16 and torch.__version__ < "2":
        pytest.skip("this torch multiplies no float16 on a CPU")
    torch.manual_seed(0)
    model = Small().to(dtype)
    x, y = data()
    report = (
        monitor_of(model)
        .measure(DataLoader(TensorDataset(x.to(dtype), y), batch_size=64), epoch=0)
        .result(30)
    )
    assert report.conventions.input_type == str(dtype).removeprefix("torch.")
    same(report, expected(client, run_name, model, x.to(dtype), y))


def test_autocast(model, monitor_of):
    x, y = data()
    monitor = monitor_of(model)
    with torch.autocast("cpu", dtype=torch.bfloat16), monitor.epoch(0) as epoch:
        model(x)
        epoch.labels(y)
    report = epoch.future.result(30)
    assert report.conventions.input_type == "bfloat16"


class Tokens(nn.Module):
    """A language model with tied embeddings."""

    def __init__(self, words=50_257, dim=8):
        super().__init__()
        self.embed = nn.Embedding(words, dim)
        self.mix = nn.Linear(dim, dim)
        self.head = nn.Linear(dim, words, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, input_ids, labels=None):
        hidden = self.embed(input_ids)
        hidden = hidden.cumsum(1) / torch.arange(1, 1 + hidden.shape[1])[:, None]
        return self.head(torch.tanh(self.mix(hidden)))


def test_next_tokens_of_a_language_model(monitor_of, client, run_name):
    torch.manual_seed(0)
    model = Tokens()
    monitor = monitor_of(model, next_token=True)
    assert (monitor.head_name, monitor.num_classes) == ("head", 50_257)
    tokens = torch.randint(0, 40, (6, 21))
    labels = tokens.clone()
    labels[:, :3] = -100
    batches = [
        {"input_ids": tokens[row : row + 2], "labels": labels[row : row + 2]} for row in (0, 2, 4)
    ]
    report = monitor.measure(batches, epoch=0).result(60)
    assert (report.data.samples, report.data.ignored) == (6 * 18, 6 * 2)
    with torch.no_grad():
        hidden = model.embed(tokens).cumsum(1) / torch.arange(1, 22)[:, None]
        features = torch.tanh(model.mix(hidden))[:, :-1].reshape(-1, 8)
    with client.stream(run_name + ".plain", 0, num_classes=50_257) as stream:
        stream.add(features, labels[:, 1:].reshape(-1))
        stream.classifier(model.embed.weight)
    same(report, stream.report)


def test_samples_of_a_sampler_that_repeats_some(model, monitor_of):
    x, y = data()
    order = torch.cat([torch.arange(320), torch.arange(5)])
    monitor = monitor_of(model)
    model.eval()
    with torch.no_grad(), monitor.epoch(0) as epoch:
        for ids in order.split(64):
            model(x[ids])
            epoch.labels(y[ids], sample_ids=ids)
    assert epoch.future.result(30).data.samples == 320


def test_token_labels_of_another_shape(monitor_of):
    model = Tokens(words=50)
    monitor = monitor_of(model, next_token=True)
    tokens = torch.randint(0, 40, (6, 21))
    hidden = torch.randn(6, 21, 8)
    for features, labels in (
        (hidden.reshape(-1, 8), tokens.reshape(-1)),
        (hidden, tokens.T),
        (hidden, tokens.reshape(-1)),
    ):
        with monitor.epoch(0) as epoch:
            epoch.observe(features, labels)
        assert "of shape" in str(epoch.future.exception(10))


def test_a_hooked_model_can_be_saved_and_copied(model, monitor_of, tmp_path):
    monitor = monitor_of(model)
    x, y = data()
    torch.save(model, tmp_path / "model.pt")
    options = {"weights_only": False} if torch.__version__ >= "2" else {}
    copies = [
        torch.load(tmp_path / "model.pt", **options),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ]
    with monitor.epoch(0) as epoch:
        for each in (*copies, model):
            each(x)
        epoch.labels(y)
    assert epoch.future.result(30).data.samples == 320
    model.monitor = monitor  # as some keep it
    assert copy.deepcopy(model).monitor.helper_pid is None


def test_loaders_with_generators_of_their_own(model, monitor_of):
    x, y = data()

    def orders(monitor):
        generator = torch.Generator().manual_seed(5)
        loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True, generator=generator)
        out = []
        for epoch in range(2):
            out += [labels.tolist() for _, labels in loader]
            if monitor is not None:
                monitor.measure(loader, epoch=epoch)
        return out

    assert orders(monitor_of(model)) == orders(None)


def test_modules_that_change_with_their_mode(monitor_of):
    class Merging(nn.Linear):  # as adapters do that are merged for evaluation
        merged = False

        def train(self, mode=True):
            self.merged = not mode
            return super().train(mode)

    model = nn.Sequential(Merging(INPUTS, DIM), nn.Linear(DIM, CLASSES))
    x, y = data()
    model.train()
    monitor_of(model).measure([(x, y)], epoch=0)
    assert (model[0].training, model[0].merged) == (True, False)


class Card:
    """Stands for the copies off a GPU: tensors that say they are on one arrive later."""

    def __init__(self, monkeypatch, monitor):
        self._jobs = []
        copies = monitor._copies
        monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda t: hasattr(t, "on_card")))
        monkeypatch.setattr(copies, "submit", self._submit)
        monkeypatch.setattr(copies, "after", self._jobs.append)

    def _submit(self, tensors, use):
        taken = [tensor.clone() for tensor in tensors]
        self._jobs.append(lambda: use(taken))
        return True

    def run(self):
        for job in self._jobs:
            job()


def on_card(tensor):
    tensor.on_card = True
    return tensor


def test_host_columns_of_features_on_a_card_are_copied(model, monitor_of, monkeypatch):
    x, y = data()
    monitor = monitor_of(None, num_classes=CLASSES)
    card = Card(monkeypatch, monitor)
    labels, ids = y.clone(), np.arange(320)
    with monitor.epoch(0) as epoch:
        epoch.observe(on_card(x.clone()), labels, sample_ids=ids)
        labels[:], ids[:] = 0, 0
    card.run()
    report = epoch.future.result(30)
    assert (report.data.samples, report.data.present_classes) == (320, CLASSES)


def test_a_copy_that_cannot_be_used_fails_the_epoch(model, monitor_of, monkeypatch):
    x, y = data()
    monitor = monitor_of(None, num_classes=CLASSES)
    card = Card(monkeypatch, monitor)
    with monitor.epoch(0) as epoch:
        epoch.observe(on_card(x.clone()), y)
        epoch.observe(on_card(x[:, :3].clone()), y)
        epoch.observe(on_card(x.clone()), y)
    card.run()
    assert "expected features of dimension 12; got 3" in str(epoch.future.exception(10))


# What goes wrong.


def test_heads(model):
    class WithoutLinear(nn.Module):
        def forward(self, x):
            return x

    for given, head, text in (
        (model, "classifier", "no module 'classifier'; its last ones are"),
        (WithoutLinear(), None, "has no torch.nn.Linear: name its classifier"),
        (model, "dropout", "expected head 'dropout' to have a weight; got Dropout"),
    ):
        with pytest.raises(errors.InvalidArgument, match=text):
            ncscope.Monitor(given, head, run="r")
    for head in ("fc", model.fc, None):
        made = ncscope.Monitor(model, head, run="r", disabled=True)
        assert (made.head_name, made.num_classes, made.dim) == ("fc", CLASSES, DIM)


def failure(epoch):
    return str(epoch.future.exception(10))


def test_a_head_that_is_not_called(monitor_of, caplog):
    class Functional(Small):
        def forward(self, x):
            return nn.functional.linear(self.body(x), self.fc.weight, self.fc.bias)

    model = Functional()
    x, y = data()
    monitor = monitor_of(model)
    with monitor.epoch(0) as epoch:
        for _ in range(5):
            model(x)
            epoch.labels(y)
    assert "the head 'fc' was not called for the labels that were given" in failure(epoch)
    assert caplog.text.count("was not called") == 1
    with monitor.epoch(1) as epoch:
        model(x)
        epoch.labels(y)
    assert "make the monitor before torch.compile" in failure(epoch)


def test_labels_that_do_not_fit(model, monitor_of):
    x, y = data()
    monitor = monitor_of(model)
    with monitor.epoch(0) as epoch:
        model(x)
        epoch.labels(y[:10])
    assert "expected 320 labels, one for each feature; got shape [10]" in failure(epoch)
    with monitor.epoch(1) as epoch:
        model(x)
        epoch.labels(nn.functional.one_hot(y, CLASSES).float())
    assert "labels" in failure(epoch)
    with monitor.epoch(2) as epoch:
        model(x)
        model(x)
    assert "was called twice without labels between" in failure(epoch)
    with monitor.epoch(3) as epoch:
        model(x)
    assert "the last batch has no labels" in failure(epoch)
    # None of it does harm to what follows.
    assert monitor.measure([(x, y)], epoch=4).result(30).data.samples == 320


def test_what_the_model_raises_is_raised(model, monitor_of):
    monitor = monitor_of(model)
    x, y = data()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        monitor.measure([(x, y), (x[:, :3], y)], epoch=0)
    with pytest.raises(errors.InvalidArgument, match="give step="):
        monitor.measure([x], epoch=0)
    assert model.training
    seen = []
    report = monitor.measure(
        [x], epoch=0, step=lambda batch: (seen.append(1), model(batch), y)[2]
    ).result(30)
    assert (report.data.samples, seen) == (320, [1])


def test_features_that_change_after_the_forward_pass(monitor_of, client, run_name):
    class InPlace(Small):
        def forward(self, x):
            h = self.body(x)
            out = self.fc(h)
            h.zero_()
            return out

    torch.manual_seed(0)
    model = InPlace()
    x, y = data()
    monitor = monitor_of(model)
    plain = expected(client, run_name, model, x, y)
    same(monitor.measure([(x, y)], epoch=0).result(30), plain)
    step = lambda batch: (model(batch[0]), batch[1])[1]  # noqa: E731
    same(monitor.measure([(x, y)], epoch=1, step=step).result(30), plain)


def test_a_copy_of_the_model_is_not_measured(model, monitor_of):
    # As for a moving average of the weights, which is made of the model with its hooks.
    monitor = monitor_of(model)
    x, y = data()
    average = copy.deepcopy(model)
    with monitor.epoch(0) as epoch:
        model(x)
        average(x)
        epoch.labels(y)
    assert epoch.future.result(30).data.samples == 320


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="this torch does not compile")
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_model(model, monitor_of, client, run_name, backend):
    x, y = data()
    monitor = monitor_of(model)
    compiled = torch.compile(model, backend=backend)
    loader = DataLoader(TensorDataset(x, y), batch_size=64)
    model.eval()
    with torch.no_grad(), monitor.epoch(0) as epoch:
        for inputs, labels in loader:
            compiled(inputs)
            epoch.labels(labels)
    same(epoch.future.result(30), expected(client, run_name, model, x, y))


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="this torch does not compile")
def test_a_model_that_was_compiled_before(model, monitor_of, client, run_name):
    x, y = data()
    compiled = torch.compile(model, backend="eager")
    compiled.eval()
    with torch.no_grad():
        compiled(x)
    monitor = monitor_of(compiled)
    assert monitor.head_name == "fc"
    with torch.no_grad(), monitor.epoch(0) as epoch:
        compiled(x)
        epoch.labels(y)
    error = epoch.future.exception(30)
    if error is None:
        same(epoch.future.result(), expected(client, run_name, model, x, y))
    else:  # torch left the hook out
        assert "make the monitor before torch.compile" in str(error)


def test_data_loader_workers(model, monitor_of):
    x, y = data()
    monitor = monitor_of(model)
    loader = DataLoader(TensorDataset(x, y), batch_size=16, num_workers=2)
    for epoch in range(2):
        assert monitor.measure(loader, epoch=epoch).result(60).data.samples == 320
