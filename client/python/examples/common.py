"""What the examples with torch share: options, the digits, and how a report is printed."""

import argparse
import sys

import torch
from torch.utils.data import DataLoader, TensorDataset

COLUMNS = (
    ("accuracy", lambda report: report.nc4.classifier_accuracy),
    ("NC1 pinv", lambda report: report.nc1.pinv),
    ("NC2 equinorm", lambda report: report.nc2.means.equinorm),
    ("NC2 ETF error", lambda report: report.nc2.means.etf_error),
    ("NC3 distance", lambda report: report.nc3.distance),
    ("NC4 agreement", lambda report: report.nc4.agreement),
)


def options(description, run, epochs):
    """Returns what the command line says; seeds torch and prints the head of the table."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--server", default="127.0.0.1:50051", help="host:port")
    parser.add_argument("--run", default=run, help=f"name of the run (default {run})")
    parser.add_argument("--epochs", type=int, default=epochs, help=f"default {epochs}")
    parser.add_argument("--device", default="cpu", help="where to train: cpu (default), cuda")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    print("epoch  split" + "".join(f"  {title}" for title, _ in COLUMNS), flush=True)
    return given


def measured_epochs(epochs):
    """Returns the epochs to measure: some early ones, every twentieth part, and the last."""
    step = max(1, epochs // 20)
    return {*(n for n in (0, 1, 2, 3, 5, 10) if n < epochs), *range(0, epochs, step), epochs}


def load_digits(seed):
    """Returns shuffled batches of 64 to train on, and {split: batches of 512} to measure.

    The seed draws 80 % of the 1,797 digits to train on. Pixels [n, 64] float32, from -1 to 1.
    """
    from sklearn import datasets

    x, y = datasets.load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    x = (torch.from_numpy(x).float() / 8 - 1)[order]
    y = torch.from_numpy(y).long()[order]
    cut = len(x) * 4 // 5
    train, test = TensorDataset(x[:cut], y[:cut]), TensorDataset(x[cut:], y[cut:])
    measured = {"train": DataLoader(train, 512), "test": DataLoader(test, 512)}
    return DataLoader(train, 64, shuffle=True), measured


def print_report(future):
    """Prints a line of the table for a report that has come, or why it has not."""
    error = future.exception()
    if error is not None:
        print(f"{future.epoch:>5}  {future.split:<5}  {error}", file=sys.stderr, flush=True)
        return
    report = future.result()
    cells = (f"{_cell(read(report)):>{len(title)}}" for title, read in COLUMNS)
    print(f"{report.epoch:>5}  {report.split:<5}  " + "  ".join(cells), flush=True)


def _cell(value):
    """A number that can be compared down a column."""
    if value is None:
        return "undefined"
    return f"{value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.2e}"
