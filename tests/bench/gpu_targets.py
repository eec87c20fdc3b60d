"""What is wanted of the card's figures, and how near they come to it.

A figure's `work` is amounts of bytes or flops, each with the ceiling that bounds it: by a ceiling
alone it would take amount / ceiling seconds, and the largest of these is the least time there is.
"""

from dataclasses import dataclass

PINNED, PRODUCTS = "host_to_device_pinned", "ssyrk"
TYPES = ("float32", "bfloat16")
OUT_OF_MEMORY = "out of device memory"  # how torch_baseline.py begins to say so


@dataclass(frozen=True)
class Target:
    """One of the limits is set."""

    name: str
    share_at_least: float | None = None  # of the least time
    seconds_at_most: float | None = None
    factor_at_least: float | None = None  # PyTorch's time over ours
    # No target where products take more than this of the transfer's time: they are the bound.
    unless_products: float | None = None

    def limits(self):
        """As it is written into a record."""
        keys = ("share_at_least", "seconds_at_most", "factor_at_least", "unless_products")
        return {key: getattr(self, key) for key in keys if getattr(self, key) is not None}


# Sizes of the shapes by mode: ingest's d; shift's d and K; scatter's d; epochs; finalize's
# shapes and their seconds; the sweep over pairs; the nearest centre.
SHAPES = {
    "full": {
        "ingest": (512, 1024, 2048, 4096),
        "shift": ((512, 2048, 4096), (10, 1000, 30000)),
        "scatter": 2048,
        "epochs": ("imagenet/pinned/float32", "imagenet/pinned/bfloat16"),
        "finalize": (("d2048_K1000", 0.1), ("d4096_K50000", 3)),
        "pair_sweep": ("d4096_K250000", 20),
        "nearest_center": "N1000000_d1024_K30000",
    },
    "quick": {
        "ingest": (512, 2048),
        "shift": ((512, 2048, 4096), (1000,)),
        "scatter": 2048,
        "epochs": ("imagenet/pinned/float32", "imagenet/pinned/bfloat16"),
        "finalize": (("d2048_K1000", 0.1),),
        "pair_sweep": ("d4096_K50000", None),
        "nearest_center": "N262144_d1024_K30000",
    },
    "smoke": {
        "ingest": (16,),
        "shift": ((20,), (5,)),
        "scatter": 24,
        "epochs": ("smoke",),
        "finalize": (("d12_K20", 0.1),),
        "pair_sweep": ("d12_K30", 20),
        "nearest_center": "N90_d12_K30",
    },
}
# Of the end-to-end time, against PyTorch's, by the epoch's name.
FACTORS = {"imagenet/pinned/float32": 10, "many_classes/pinned/float32": 100}


def figure_targets(mode):
    """By figure; all of these must be in a record of the mode."""
    shapes = SHAPES[mode]
    dims, classes = shapes["shift"]
    targets = [
        Target(f"ingest/pinned/d{d}/{kind}", share_at_least=0.85, unless_products=0.85)
        for d in shapes["ingest"]
        for kind in TYPES
    ]
    targets += [
        Target(f"shift/d{d}/K{k}/{kind}", share_at_least=0.75)
        for d in dims
        for k in classes
        for kind in TYPES
    ]
    targets += [Target(f"scatter/d{shapes['scatter']}/syrk_add", share_at_least=0.8)]
    targets += [Target(f"epoch/{name}/pass", share_at_least=1 / 1.3) for name in shapes["epochs"]]
    targets += [
        Target(f"finalize/{shape}", seconds_at_most=seconds)
        for shape, seconds in shapes["finalize"]
    ]
    shape, seconds = shapes["pair_sweep"]
    if seconds is not None:
        targets.append(Target(f"pair_sweep/{shape}", seconds_at_most=seconds))
    name = f"nearest_center/{shapes['nearest_center']}"
    targets.append(Target(name, share_at_least=0.6))
    return {target.name: target for target in targets}


def seconds_of(figure):
    return figure["value"] if figure["unit"] == "s" else figure["seconds"]


def least_times(figure, ceilings, figures):
    """Seconds of each ceiling of the figure's work, once for each time ceilings were measured.

    Ceilings may be other figures, which are measured once. Returns a list of {ceiling: seconds}.
    """
    seconds = {}
    for work in figure.get("work", []):
        name = work["ceiling"]
        if name in ceilings:
            rates = [measured["value"] for measured in ceilings[name]["measured"]]
        elif name in figures:
            rates = [figures[name]["value"]]
        else:
            return []
        seconds[name] = [work["amount"] / rate for rate in rates]
    times = max(map(len, seconds.values()), default=0)
    return [
        {name: each[min(i, len(each) - 1)] for name, each in seconds.items()} for i in range(times)
    ]


def judged(figure, ceilings, figures, target):
    """What follows from a figure's numbers: shares, what bounds it, its target, whether it is met.

    `share` is the lesser of `shares`, one for each measurement of the ceilings.
    """
    out = {}
    is_number = isinstance(figure["value"], (int, float)) and figure["value"] > 0
    times = least_times(figure, ceilings, figures) if is_number else []
    if times:
        out["shares"] = [max(one.values()) / seconds_of(figure) for one in times]
        out["share"] = min(out["shares"])
        least = times[out["shares"].index(out["share"])]
        out["bound_by"] = max(least, key=least.get)
    if target is None:
        return out
    out["target"] = target.limits()
    if target.seconds_at_most is not None:
        out["met"] = is_number and figure["value"] < target.seconds_at_most
    elif not times:
        out["met"] = False
    elif target.unless_products is not None and any(
        one[PRODUCTS] >= target.unless_products * one[PINNED] for one in times
    ):
        out["met"] = None
    else:
        out["met"] = out["share"] >= target.share_at_least
    return out


def with_shares(figures, ceilings, mode):
    """The figures of a run, each with what `judged` says of it."""
    known = {figure["name"]: figure for figure in figures}
    targets = figure_targets(mode)
    return [
        figure | judged(figure, ceilings, known, targets.get(figure["name"])) for figure in figures
    ]


def comparisons(figures, torch):
    """PyTorch's times over our end-to-end times: same card, run, shape and number of samples."""
    ours = {figure["name"]: figure for figure in figures}
    out = []
    for epoch, wanted in FACTORS.items():
        mine = ours.get(f"epoch/{epoch}/end_to_end")
        theirs = [f for f in torch.get("figures", []) if f["name"].startswith(f"torch/{epoch}/")]
        # Against each of its ways, so against the fastest of them.
        for figure in theirs:
            if mine is None or figure["N"] != mine["N"]:
                continue
            factor = figure["value"] / mine["value"]
            out.append(
                {
                    "name": figure["name"],
                    "ours_s": mine["value"],
                    "torch_s": figure["value"],
                    "factor": factor,
                    "factor_at_least": wanted,
                    "met": factor >= wanted,
                }
            )
    return out


def missed(record):
    """The targets that are not met, each with its number."""
    out = []
    for figure in record["figures"]:
        if figure.get("met") is not False:
            continue
        target = figure.get("target", {})
        by_time = "seconds_at_most" in target
        number = {"seconds": figure["value"]} if by_time else {"share": figure.get("share")}
        out.append({"name": figure["name"], **number, **target})
    for entry in record["comparisons"]:
        if not entry["met"]:
            keys = ("name", "factor", "factor_at_least")
            out.append({key: entry[key] for key in keys})
    return out


def asked(record, step):
    return record["steps"].get(step, {}).get("why") != "not asked for"


def missing(record):
    """Names of figures with a target that are not there, of the steps that were asked for."""
    if not asked(record, "bench"):
        return []
    there = {figure.get("name") for figure in record["figures"]}
    out = [name for name in figure_targets(record["mode"]) if name not in there]
    if not asked(record, "torch") or record["mode"] == "smoke":
        return out
    compared = {entry["name"].rsplit("/", 1)[0] for entry in record["comparisons"]}
    # What does not fit PyTorch's memory has no time to compare with.
    for skip in record["skipped"]:
        if skip["why"].startswith(OUT_OF_MEMORY):
            compared.add(skip["what"].rsplit("/", 1)[0])
    return out + [f"torch/{epoch}" for epoch in FACTORS if f"torch/{epoch}" not in compared]
