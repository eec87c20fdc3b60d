"""The callback for Lightning, in trainings by the real Trainer, of both packages."""

import importlib
import logging
import sys
import types
from pathlib import Path

import ncscope
import numpy as np
import pytest
import torch
from ncscope.headline import headline
from torch.utils.data import DataLoader, TensorDataset
from trainers import Program

from test_trackers import rows_of


def mend_torch():
    """Debian's torch 1.13 with Python 3.11 has a part that Lightning imports, and cannot be."""
    if not str(torch.__version__).startswith("1.13.0a0"):
        return
    torch.__version__ = "1.13.0"  # Lightning takes 1.13.0a0 for one before 1.13
    for name in ("torch.distributed._shard", "torch.distributed._shard.sharded_tensor"):
        sys.modules[name] = types.ModuleType(name)
    sharded = sys.modules["torch.distributed._shard.sharded_tensor"]
    sharded.state_dict_hook = sharded.pre_load_state_dict_hook = lambda *arguments: None


mend_torch()

CLASSES, ROWS, VAL_ROWS, BATCH = 4, 90, 44, 16


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def pl(request):
    return pytest.importorskip(request.param)


@pytest.fixture
def callback_of(server, run_name, tmp_path, pl):
    """Callbacks of one run, for the package of the test."""
    module = importlib.import_module("ncscope.lightning")
    if not issubclass(module.NeuralCollapse, pl.Callback):
        module = importlib.reload(module)  # the package was not imported when it was

    def make(**options):
        options.setdefault("server", server.address)
        options.setdefault("options", ncscope.MonitorOptions(spool_dir=tmp_path / "spool"))
        return module.NeuralCollapse(run_name, **options)

    return make


def data_of(rows, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, rows)
    means = np.random.default_rng(7).standard_normal((CLASSES, 8))
    inputs = means[labels] + 0.5 * rng.standard_normal((rows, 8))
    return TensorDataset(torch.tensor(inputs, dtype=torch.float32), torch.tensor(labels))


def loaders(seed=None):
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    train = DataLoader(data_of(ROWS, 1), BATCH, shuffle=True, generator=generator)
    return train, DataLoader(data_of(VAL_ROWS, 2), BATCH)


def module_of(pl, fails_at=None):
    class Classifier(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(
                torch.nn.Linear(8, 12), torch.nn.BatchNorm1d(12), torch.nn.ReLU()
            )
            self.dropout = torch.nn.Dropout(0.2)
            self.head = torch.nn.Linear(12, CLASSES)

        def features(self, inputs):
            return self.dropout(self.body(inputs))

        def forward(self, inputs):
            return self.head(self.features(inputs))

        def training_step(self, batch, batch_idx):
            if fails_at == (self.current_epoch, "train"):
                raise ZeroDivisionError("of the user")
            return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])

        def validation_step(self, batch, batch_idx, dataloader_idx=0):
            if fails_at == (self.current_epoch, "val") and not self.trainer.sanity_checking:
                raise ZeroDivisionError("of the user")
            self(batch[0])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    torch.manual_seed(0)
    return Classifier()


def trainer_of(pl, folder, *callbacks, **options):
    options = {"max_epochs": 2, "logger": False, "enable_checkpointing": False, **options}
    return pl.Trainer(
        accelerator="cpu",
        default_root_dir=str(folder),
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        **{"devices": 1, **options},
    )


def plain_report(client, run, module, data, epoch=0):
    module.eval()
    with torch.no_grad(), client.stream(run, epoch, num_classes=CLASSES) as stream:
        stream.add(module.features(data.tensors[0]), data.tensors[1])
        stream.classifier(module.head.weight, module.head.bias)
    return stream.report


def reported(client, run):
    return {(each.epoch, each.split) for each in client.reports(run)}


def test_training_and_validation_data(pl, callback_of, client, run_name, tmp_path):
    callback, module = callback_of(), module_of(pl)
    trainer_of(pl, tmp_path, callback).fit(module, *loaders())
    wanted = {(epoch, split) for epoch in range(2) for split in ("train", "val")}
    assert reported(client, run_name) == wanted
    # The weights are those at the end of the last epoch, when both were measured.
    train = callback.last["train"].result(1)
    plain = plain_report(client, run_name + ".plain", module, data_of(ROWS, 1))
    assert headline(train) == pytest.approx(headline(plain), rel=1e-5)
    assert train.data.samples == ROWS
    val = callback.last["val"].result(1)
    plain = plain_report(client, run_name + ".plain", module, data_of(VAL_ROWS, 2), 1)
    assert val.nc1.pinv == pytest.approx(plain.nc1.pinv, rel=1e-5)
    assert val.data.samples == VAL_ROWS
    assert val.nc4.centers.split == "train"
    assert callback.monitor.head_name == "head"


@pytest.mark.parametrize("seed", [None, 3])
def test_training_is_as_it_would_be(pl, callback_of, tmp_path, seed):
    weights = []
    for callbacks in ((), (callback_of(),)):
        module = module_of(pl)
        trainer_of(pl, tmp_path, *callbacks, max_epochs=3).fit(module, *loaders(seed))
        weights.append([each.detach().clone() for each in module.state_dict().values()])
    for got, wanted in zip(*weights, strict=True):
        assert torch.equal(got, wanted)


def test_every_nth_epoch_and_only_what_is_wanted(pl, callback_of, client, run_name, tmp_path):
    callback = callback_of(every_n_epochs=2, validation=False)
    trainer_of(pl, tmp_path, callback, max_epochs=5).fit(module_of(pl), *loaders())
    assert reported(client, run_name) == {(1, "train"), (3, "train")}
    with pytest.raises(ncscope.errors.InvalidArgument, match="every_n_epochs"):
        callback_of(every_n_epochs=0)


def test_several_validations_of_an_epoch_and_several_loaders(
    pl, callback_of, client, run_name, tmp_path, caplog
):
    callback = callback_of(train=False)
    train, val = loaders()
    other = DataLoader(data_of(20, 3), BATCH)
    trainer = trainer_of(pl, tmp_path, callback, val_check_interval=0.4)
    trainer.fit(module_of(pl), train, [val, other])
    reports = {(each.epoch, each.split): each for each in client.reports(run_name)}
    assert reports.keys() == {(e, s) for e in range(2) for s in ("val", "val_1")}
    assert {each.attempt for each in reports.values()} == {0}
    assert callback.last["val"].result(1).data.samples == VAL_ROWS
    assert callback.last["val_1"].result(1).data.samples == 20
    assert "replaced" not in caplog.text


def test_a_loader_and_a_step_of_its_own(pl, callback_of, client, run_name, tmp_path):
    dataset = data_of(30, 9)
    batches = [{"x": dataset.tensors[0][:20], "n": dataset.tensors[1][:20]}]

    def step(module, batch):
        assert not module.training
        module(batch["x"])
        return batch["n"]

    callback = callback_of(train_loader=batches, step=step, labels=lambda batch: batch[1])
    trainer_of(pl, tmp_path, callback, max_epochs=1).fit(module_of(pl), *loaders())
    assert callback.last["train"].result(1).data.samples == 20
    assert callback.last["val"].result(1).data.samples == VAL_ROWS


def test_limits_of_batches_are_kept(pl, callback_of, tmp_path):
    callback = callback_of()
    trainer = trainer_of(pl, tmp_path, callback, limit_train_batches=3, limit_val_batches=1)
    trainer.fit(module_of(pl), *loaders())
    assert callback.last["train"].result(1).data.samples == 3 * BATCH
    assert callback.last["val"].result(1).data.samples == BATCH


def test_a_checkpoint_carries_the_attempt(pl, callback_of, client, run_name, tmp_path):
    first = trainer_of(pl, tmp_path, callback_of())
    first.fit(module_of(pl), *loaders())
    first.save_checkpoint(tmp_path / "checkpoint")
    callback = callback_of()
    again = trainer_of(pl, tmp_path, callback, max_epochs=3)
    again.fit(module_of(pl), *loaders(), ckpt_path=str(tmp_path / "checkpoint"))
    assert callback.monitor.attempt == 1
    attempts = {each.epoch: each.attempt for each in client.reports(run_name)}
    assert attempts == {0: 0, 1: 0, 2: 1}


def test_a_checkpoint_of_another_state_is_no_trouble(pl, callback_of, caplog):
    callback = callback_of(disabled=True)
    callback.load_state_dict({"run": "another", "epoch": 3, "attempt": 1})
    trainer = trainer_of(pl, ".", callback)
    callback.setup(trainer, module_of(pl), "fit")
    assert "is not that of this run" in caplog.text
    assert callback.state_dict()["attempt"] == 0


@pytest.mark.parametrize("where", ["train", "val"])
def test_what_the_module_raises_is_raised(pl, callback_of, client, run_name, tmp_path, where):
    callback = callback_of()
    trainer = trainer_of(pl, tmp_path, callback, max_epochs=3)
    with pytest.raises(ZeroDivisionError, match="of the user"):
        trainer.fit(module_of(pl, fails_at=(1, where)), *loaders())
    callback.monitor.close(30)
    assert reported(client, run_name) == {(0, "train"), (0, "val")}
    module = module_of(pl)  # and the callback goes on with another training
    trainer_of(pl, tmp_path, callback, max_epochs=2).fit(module, *loaders())
    assert (1, "train") in reported(client, run_name)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"step": lambda module, batch: 1 / 0}, "train is not measured: the pass broke off"),
        ({"labels": lambda batch: batch["labels"]}, "labels of a batch of validation"),
        ({"train_loader": [torch.zeros(3, 8)]}, "expected batches (inputs, labels)"),
        ({"train_loader": [(torch.zeros(3, 8), torch.zeros(2).long())]}, "one for each feature"),
    ],
)
def test_what_cannot_be_measured_is_logged(pl, callback_of, tmp_path, caplog, options, text):
    trainer_of(pl, tmp_path, callback_of(**options)).fit(module_of(pl), *loaders())
    assert text in caplog.text


def test_without_a_server(pl, callback_of, tmp_path):
    options = ncscope.MonitorOptions(spool_dir=tmp_path / "spool", exit_timeout=1)
    callback = callback_of(server="127.0.0.1:9", options=options)
    trainer = trainer_of(pl, tmp_path, callback)
    trainer.fit(module_of(pl), *loaders())
    assert trainer.current_epoch == 2
    assert isinstance(callback.last["train"].exception(1), ncscope.errors.Unavailable)


def test_the_loggers_of_the_trainer(pl, callback_of, tmp_path, caplog):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    caplog.set_level(logging.WARNING, "ncscope")
    seen = []
    for log_to in (True, seen.append):
        logger = pl.loggers.TensorBoardLogger(str(tmp_path), name="tb", version=str(len(seen)))
        callback = callback_of(log_to=log_to)
        trainer_of(pl, tmp_path, callback, logger=logger).fit(module_of(pl), *loaders())
    events = EventAccumulator(str(tmp_path / "tb" / "0"))
    events.Reload()
    points = events.Scalars("ncscope/val/nc4.ncc_accuracy")
    assert [each.step for each in points] == [0, 1]
    assert len(seen) == 4
    assert "log_to" not in caplog.text


def test_the_wandb_logger_of_the_trainer(pl, callback_of, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    logger = pl.loggers.WandbLogger(
        save_dir=str(tmp_path), offline=True, mode="offline", project="tests"
    )
    trainer_of(pl, tmp_path, callback_of(log_to=True), logger=logger).fit(module_of(pl), *loaders())
    wandb.finish()
    logged = {}
    for row in rows_of(tmp_path)[0]:
        if "ncscope/val/epoch" in row:
            logged[row["ncscope/val/epoch"]] = row["ncscope/val/nc4.ncc_accuracy"]
    assert logged.keys() == {0, 1}


def test_ranks(pl, callback_of, client, server, run_name, tmp_path):
    program = Program(
        f"""
        sys.path.append(sys.argv[3])
        from test_lightning import module_of, trainer_of, loaders
        import {pl.__name__} as pl
        from ncscope.lightning import NeuralCollapse
        callback = NeuralCollapse(sys.argv[2], server=sys.argv[1])
        trainer = trainer_of(pl, ".", callback, devices=2, strategy="ddp")
        trainer.fit(module_of(pl), *loaders())
        report = callback.last["train"].result(30)
        if trainer.is_global_zero:
            say(samples=report.data.samples, ranks=report.world_size)
        """,
        server.address,
        run_name,
        Path(__file__).parent,
        folder=tmp_path,
        environment={"OMP_NUM_THREADS": "1"},
    )
    said = program.finish(120)
    # The sampler repeats samples, so that ranks have the same number.
    assert said == [{"samples": ROWS, "ranks": 2}]
    assert reported(client, run_name) == {(e, s) for e in range(2) for s in ("train", "val")}
