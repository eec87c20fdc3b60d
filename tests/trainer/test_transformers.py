"""The callback for the Trainer of Hugging Face, with tiny models that are made here."""

import ncscope
import numpy as np
import pytest
import torch
from ncscope.headline import headline

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from ncscope.transformers import NeuralCollapse  # noqa: E402  # where the library is

CLASSES, VOCABULARY, ROWS, EVAL_ROWS, LENGTH, BATCH = 3, 17, 40, 21, 9, 8


class Dataset(torch.utils.data.Dataset):
    """Dictionaries of tensors."""

    def __init__(self, **columns):
        self.columns = {name: torch.as_tensor(each) for name, each in columns.items()}

    def __len__(self):
        return len(self.columns["labels"])

    def __getitem__(self, row):
        return {name: each[row] for name, each in self.columns.items()}

    def batches(self):
        return torch.utils.data.DataLoader(self, BATCH)


def sentences(rows, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, rows)
    tokens = (labels[:, None] * 5 + rng.integers(0, 6, (rows, LENGTH))) % VOCABULARY
    return tokens, labels


def classification(rows, seed):
    tokens, labels = sentences(rows, seed)
    return Dataset(input_ids=tokens, labels=labels)


def language(rows, seed):
    """Padded on the right, where nothing is to be predicted."""
    tokens, _ = sentences(rows, seed)
    lengths = np.random.default_rng(seed).integers(3, LENGTH + 1, rows)
    mask = np.arange(LENGTH) < lengths[:, None]
    labels = np.where(mask, tokens, -100)
    return Dataset(input_ids=tokens, attention_mask=mask.astype(int), labels=labels)


def bert():
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=CLASSES,
    )
    return transformers.BertForSequenceClassification(config)


def gpt2():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, n_positions=LENGTH
    )
    config.bos_token_id = config.eos_token_id = 0
    return transformers.GPT2LMHeadModel(config)


@pytest.fixture
def callback_of(server, run_name, tmp_path):
    def make(**options):
        options.setdefault("server", server.address)
        options.setdefault("options", ncscope.MonitorOptions(spool_dir=tmp_path / "spool"))
        return NeuralCollapse(run_name, **options)

    return make


@pytest.fixture
def trainer_of(tmp_path):
    def make(model, train, evaluation, *callbacks, **options):
        options = {"num_train_epochs": 2, "eval_strategy": "epoch", **options}
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path / "out"),
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=BATCH,
            learning_rate=1e-2,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            logging_steps=1000,
            **options,
        )
        return transformers.Trainer(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=evaluation,
            callbacks=list(callbacks),
        )

    return make


def reported(client, run):
    return {(each.epoch, each.split) for each in client.reports(run)}


def plain_report(client, run, features, labels, head, classes):
    with client.stream(run, 0, num_classes=classes, ignore_index=-100) as stream:
        stream.add(features, labels)
        stream.classifier(head.weight, getattr(head, "bias", None))
    return stream.report


def test_a_classifier(callback_of, trainer_of, client, run_name):
    model, train, held_out = bert(), classification(ROWS, 1), classification(EVAL_ROWS, 2)
    callback = callback_of(train_loader=train.batches())
    trainer_of(model, train, held_out, callback).train()
    assert reported(client, run_name) == {(e, s) for e in range(2) for s in ("train", "eval")}
    model.eval()
    with torch.no_grad():
        features = model.bert(input_ids=train.columns["input_ids"]).pooler_output
    plain = plain_report(
        client, run_name + ".plain", features, train.columns["labels"], model.classifier, CLASSES
    )
    report = callback.last["train"].result(1)
    assert headline(report) == pytest.approx(headline(plain), rel=5e-3)  # vci is the roughest
    assert report.data.samples == ROWS
    evaluated = callback.last["eval"].result(1)
    assert (evaluated.data.samples, evaluated.nc4.centers.split) == (EVAL_ROWS, "train")
    assert evaluated.test_collapse.strong is not None
    assert callback.monitor.head_name == "classifier"


def test_a_language_model(callback_of, trainer_of, client, run_name):
    model, train, held_out = gpt2(), language(ROWS, 1), language(EVAL_ROWS, 2)
    callback = callback_of(train_loader=True)
    trainer_of(model, train, held_out, callback).train()
    assert callback.monitor.head_name == "lm_head"
    model.eval()
    columns = {name: each for name, each in held_out.columns.items() if name != "labels"}
    with torch.no_grad():
        features = model.transformer(**columns).last_hidden_state[:, :-1]
    plain = plain_report(
        client,
        run_name + ".plain",
        features.reshape(-1, 16),
        held_out.columns["labels"][:, 1:].reshape(-1),
        model.lm_head,
        VOCABULARY,
    )
    report = callback.last["eval"].result(1)
    assert report.nc1.pinv == pytest.approx(plain.nc1.pinv, rel=1e-4)
    assert report.nc4.classifier_accuracy == pytest.approx(plain.nc4.classifier_accuracy)
    assert report.data.samples == int((held_out.columns["labels"][:, 1:] != -100).sum())
    assert report.data.ignored > 0
    train_samples = callback.last["train"].result(1).data.samples
    assert train_samples == int((train.columns["labels"][:, 1:] != -100).sum())


@pytest.mark.parametrize("train_loader", [None, True])
def test_training_is_as_it_would_be(callback_of, trainer_of, train_loader):
    weights = []
    for callbacks in ((), (callback_of(train_loader=train_loader),)):
        model = bert()
        train, held_out = classification(ROWS, 1), classification(EVAL_ROWS, 2)
        trainer_of(model, train, held_out, *callbacks, num_train_epochs=3).train()
        weights.append([each.detach().clone() for each in model.state_dict().values()])
    for got, wanted in zip(*weights, strict=True):
        assert torch.equal(got, wanted)


def test_every_nth_epoch(callback_of, trainer_of, client, run_name):
    train, held_out = classification(ROWS, 1), classification(EVAL_ROWS, 2)
    callback = callback_of(train_loader=train.batches(), every_n_epochs=2)
    trainer_of(bert(), train, held_out, callback, num_train_epochs=3).train()
    assert reported(client, run_name) == {(1, "train"), (1, "eval")}


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        ("epoch", {(0, "train"), (0, "eval"), (1, "train"), (1, "eval")}),
        (
            "step",
            {(n, "eval") for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)} | {(5, "train"), (10, "train")},
        ),
    ],
)
def test_evaluations_by_steps(callback_of, trainer_of, client, run_name, unit, wanted):
    train, held_out = classification(ROWS, 1), classification(EVAL_ROWS, 2)
    callback = callback_of(train_loader=train.batches(), unit=unit)
    trainer_of(bert(), train, held_out, callback, eval_strategy="steps", eval_steps=1).train()
    assert reported(client, run_name) == wanted


def test_several_evaluations(callback_of, trainer_of, client, run_name):
    train = classification(ROWS, 1)
    sets = {"near": classification(10, 2), "far/off": classification(12, 3)}
    callback = callback_of()
    trainer = trainer_of(bert(), train, sets, callback, num_train_epochs=1)
    trainer.train()
    samples = {each.split: each.data.samples for each in client.reports(run_name)}
    assert samples == {"eval_near": 10, "eval_far-off": 12}
    trainer.evaluate()  # of a training that has ended: the same numbers again
    assert len(client.reports(run_name)) == 2


def test_a_step_of_its_own(callback_of, trainer_of):
    dataset = classification(ROWS, 1)

    def step(model, batch):
        model(input_ids=batch[0])
        return batch[1]

    batches = [(dataset.columns["input_ids"][:7], dataset.columns["labels"][:7])]
    callback = callback_of(train_loader=batches, step=step, evaluation=False)
    trainer_of(bert(), dataset, dataset, callback, num_train_epochs=1).train()
    assert callback.last.keys() == {"train"}
    assert callback.last["train"].result(1).data.samples == 7


def test_reports_go_to_trackers(callback_of, trainer_of):
    seen = []
    dataset = classification(ROWS, 1)
    trainer_of(bert(), dataset, dataset, callback_of(log_to=seen.append)).train()
    assert [(each.epoch, each.split) for each in seen] == [(0, "eval"), (1, "eval")]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"step": lambda model, batch: 1 / 0}, "ZeroDivisionError"),
        ({"train_loader": [torch.zeros(3, 8)]}, "expected batches (inputs, labels)"),
        ({"server": "127.0.0.1:9"}, ""),
    ],
)
def test_what_cannot_be_measured_is_no_trouble(
    callback_of, trainer_of, tmp_path, caplog, options, text
):
    dataset = classification(ROWS, 1)
    limits = ncscope.MonitorOptions(spool_dir=tmp_path / "spool", exit_timeout=1)
    trainer = trainer_of(bert(), dataset, dataset, callback_of(options=limits, **options))
    trainer.train()
    assert trainer.state.global_step == 10
    assert text in caplog.text


def test_what_the_model_raises_is_raised(callback_of, trainer_of, client, run_name):
    class Fails(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **unused):
            if state.global_step == 7:
                raise ZeroDivisionError("of the user")

    dataset, callback = classification(ROWS, 1), callback_of()
    with pytest.raises(ZeroDivisionError, match="of the user"):
        trainer_of(bert(), dataset, dataset, Fails(), callback).train()
    callback.monitor.close(30)
    assert reported(client, run_name) == {(0, "eval")}


def test_wrong_options(callback_of):
    with pytest.raises(ncscope.errors.InvalidArgument, match="unit"):
        callback_of(unit="hours")
    with pytest.raises(ncscope.errors.InvalidArgument, match="every_n_epochs"):
        callback_of(every_n_epochs=0)
