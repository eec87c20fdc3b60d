"""Trains an MLP on handwritten digits far past zero error and watches it collapse.

The data are scikit-learn's bundled digits: 8x8 pixels, 10 classes. The monitor sees what goes into
the last layer. Reports are printed when they come; the training does not wait for them.

    python digits_mlp.py --server 127.0.0.1:50051 --run digits-mlp
"""

from itertools import pairwise

from torch import nn, optim
from torch.nn import functional

import ncscope
from common import load_digits, measured_epochs, options, print_report


def make_model():
    """Returns 64 -> 256 -> 256 -> 256 -> 64 -> 10, with batch normalisation and ReLU between."""
    widths = (64, 256, 256, 256, 64)
    layers = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10))


def train(model, given):
    """Trains; measures both splits every few epochs.

    As in Papyan, Han and Donoho (2008.08186): SGD with momentum and weight decay, and a learning
    rate that falls tenfold after each third of the epochs. An epoch has 23 steps only, so that
    the weight decay is ten times theirs.
    """
    batches, splits = load_digits(given.seed)
    model = model.to(given.device)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-3)
    falls = [given.epochs // 3, given.epochs * 2 // 3]
    schedule = optim.lr_scheduler.MultiStepLR(optimizer, falls, gamma=0.1)

    reports = []
    with ncscope.Monitor(model, run=given.run, server=given.server) as monitor:
        for epoch in range(given.epochs + 1):
            if epoch in measured_epochs(given.epochs):
                for split, loader in splits.items():
                    report = monitor.measure(loader, epoch=epoch, split=split)
                    report.add_done_callback(print_report)
                    reports.append(report)
            if epoch == given.epochs:
                break
            for x, y in batches:
                loss = functional.cross_entropy(model(x.to(given.device)), y.to(given.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            schedule.step()
    for report in reports:
        report.result(timeout=0)  # raises what kept one from being made


if __name__ == "__main__":
    given = options(__doc__, run="digits-mlp", epochs=200)
    train(make_model(), given)
