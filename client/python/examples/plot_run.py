"""Draws NC1 to NC4 of a run over its epochs, from the reports that the server has.

Needs matplotlib. The format is that of the file's name: .png, .svg or .pdf.

    python plot_run.py --server 127.0.0.1:50051 --run digits-mlp --output digits-mlp.png
"""

import argparse

import matplotlib as mpl

mpl.use("agg")  # draws into a file, also where there is no screen

from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

import ncscope

# Colours that stay apart for the colour-blind and in print.
COLOURS = {"train": "#0072b2", "test": "#d55e00"}
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e0e0e0",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 3,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "ncscope",
}
# Title, whether the scale is logarithmic, and the curves: name, line, what it reads of a report.
PANELS = (
    ("NC1  variability: tr($S_W S_B^+$)/P", True, (("", "-", lambda r: r.nc1.pinv),)),
    (
        "NC2  class means and a simplex ETF",
        False,
        (
            ("ETF error", "-", lambda r: r.nc2.means.etf_error),
            ("equinorm", ":", lambda r: r.nc2.means.equinorm),
        ),
    ),
    ("NC3  distance of classifier and means", False, (("", "-", lambda r: r.nc3.distance),)),
    ("NC4  agreement with the nearest mean", False, (("", "-", lambda r: r.nc4.agreement),)),
)


def draw_panel(axes, panel, splits, terminal_epoch):
    """Draws one metric of all splits; a grey line where the training error is 0 first."""
    title, is_log, curves = panel
    axes.set_title(title, loc="left")
    for split, reports in splits.items():
        for _, line, read in curves:
            points = [(r.epoch, read(r)) for r in reports if read(r) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), line, marker="o", color=colour_of(split))
    if is_log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    if len(curves) > 1:
        names = [Line2D([], [], color="black", linestyle=line) for _, line, _ in curves]
        axes.legend(names, [name for name, _, _ in curves])
    if terminal_epoch is not None:
        axes.axvline(terminal_epoch, color="#808080", linewidth=0.8, linestyle="--")


def colour_of(split):
    """The colour of a split."""
    return COLOURS.get(split, "#009e73")


def draw(run, reports):
    """Returns a figure with a panel for each of NC1 to NC4."""
    splits = {}
    for report in sorted(reports, key=lambda report: (report.split != "train", report.epoch)):
        splits.setdefault(report.split, []).append(report)
    terminal = [r.dynamics.terminal_phase_epoch for r in splits.get("train", []) if r.dynamics]
    terminal_epoch = next((epoch for epoch in terminal if epoch is not None), None)

    figure, grid = plt.subplots(2, 2, figsize=(6.8, 4.8), sharex=True, layout="constrained")
    for axes, panel in zip(grid.flat, PANELS, strict=True):
        draw_panel(axes, panel, splits, terminal_epoch)
    for axes in grid[1]:
        axes.set_xlabel("epoch")
    names = {split: Line2D([], [], color=colour_of(split), marker="o") for split in splits}
    if terminal_epoch is not None:
        line = Line2D([], [], color="#808080", linewidth=0.8, linestyle="--")
        names[f"training error 0 (epoch {terminal_epoch})"] = line
    figure.suptitle(run, x=0.01, ha="left")
    figure.legend(names.values(), names, loc="upper right", ncols=len(names))
    return figure


def main():
    """Reads the options and the reports, and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="127.0.0.1:50051", help="host:port")
    parser.add_argument("--run", required=True)
    parser.add_argument("--output", help="default: the run's name and .png")
    parser.add_argument("--dpi", type=int, default=200, help="of .png (default 200)")
    given = parser.parse_args()
    with ncscope.Client(given.server) as client:
        reports = client.reports(given.run)
    with plt.rc_context(STYLE):
        figure = draw(given.run, reports)
        figure.savefig(given.output or f"{given.run}.png", dpi=given.dpi)


if __name__ == "__main__":
    main()
