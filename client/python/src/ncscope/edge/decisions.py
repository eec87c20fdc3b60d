"""NC4 of an edge state: what the classifier and the nearest class centre decide.

Scores are float32 (float64 for float64 features) of features and centres relative to the centres'
global mean, where distances about a far origin would have lost what they differ in. Which of the
two best classes it is, is decided in float64 then: nearly equal scores count as they are, and ties
go to the lowest index; of classes with the same centre only the lowest is in question. That can be
wrong only where three classes or more are within float32's rounding of each other: the server
scores all such classes again, which takes knowing how many they are, and so waiting for a device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InvalidArgument
from ..statistics import Statistics
from .arithmetic import float32_products

# Classes that are scored at once; rows come CHUNK_ROWS at a time, so scores take 32 MiB (64 MiB for
# float64 ones).
TILE_CLASSES = 4096


@dataclass(frozen=True)
class Centers:
    """Class means that samples of a later epoch are nearest to, on the device of those samples."""

    epoch: int
    """Epoch that the means are of."""
    means: Tensor
    """Class means, anything for classes that have none. [K, d] float64."""
    present: Tensor
    """Which classes have a mean. [K] bool."""

    @staticmethod
    def from_statistics(
        epoch: int, statistics: Statistics, device: torch.device | str = "cpu"
    ) -> Centers:
        """Returns the means of a state, such as that of all ranks, which the server merged."""
        header = statistics.header
        shape = (header.num_classes, header.dim)
        means = torch.zeros(shape, dtype=torch.float64, device="cpu")
        present = torch.zeros(shape[0], dtype=torch.bool, device="cpu")
        classes = torch.from_numpy(statistics.classes.astype("int64"))
        means[classes] = torch.from_numpy(statistics.means.astype("float64"))
        present[classes] = True
        return Centers(epoch, means.to(device), present.to(device))


class AffineScores:
    """argmax over c of <a_c, x> + t_c, for rows x."""

    def __init__(self, rows: Tensor, offsets: Tensor, dtype: torch.dtype, origin: Tensor | None):
        """Takes rows [K, d], a and x being what they are beyond `origin` [d] float64; t [K].

        t is float64; where it is -inf a class is out of the question, and its row anything. `dtype`
        is that of the features.
        """
        self._rows = rows
        self._offsets = offsets
        self._origin = origin
        self._narrow = torch.float64 if dtype == torch.float64 else torch.float32
        if origin is None:
            self._narrow_rows = rows.to(self._narrow)
        else:
            self._narrow_rows = torch.empty_like(rows, dtype=self._narrow)
            for tile in _tiles(len(rows)):
                beyond = rows[tile] - origin
                beyond.masked_fill_((offsets[tile] == -torch.inf).unsqueeze(1), 0)
                self._narrow_rows[tile] = beyond
        self._narrow_offsets = offsets.to(self._narrow)

    def decide(self, wide: Tensor) -> Tensor:
        """Returns the class of each row [n, d] float64, the lowest of those that tie. [n] int64."""
        x = self._beyond_origin(wide)
        first, second = self._top_two(x.to(self._narrow))
        gap = self._score(x, second) - self._score(x, first)
        swap = (gap > 0) | ((gap == 0) & (second < first))
        return torch.where(swap, second, first)

    def _beyond_origin(self, rows: Tensor) -> Tensor:
        return rows if self._origin is None else rows - self._origin

    def _score(self, x: Tensor, places: Tensor) -> Tensor:
        rows = self._beyond_origin(self._rows[places].to(torch.float64))
        return rows.mul_(x).sum(1) + self._offsets[places]

    def _top_two(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the classes with the two largest scores, the lower one first where they tie.

        Where there is no second one, that is out of the question, or the first again.
        """
        best = next_best = x.new_full((len(x),), -torch.inf)
        place = next_place = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        for tile in _tiles(len(self._narrow_rows)):
            begin = tile.start
            with float32_products():
                scores = torch.mm(x, self._narrow_rows[tile].T)
            scores += self._narrow_offsets[tile]
            top, at = scores.max(1)
            scores.scatter_(1, at.unsqueeze(1), -torch.inf)
            next_top, next_at = scores.max(1)
            # Classes of earlier tiles are lower, so they stay where scores tie.
            leads = top > best
            beaten = torch.where(leads, best, top)
            beaten_place = torch.where(leads, place, at + begin)
            other = torch.where(leads, next_top, next_best)
            other_place = torch.where(leads, next_at + begin, next_place)
            # Of the two, `beaten` is lower where the tile leads, else `other` is.
            takes = torch.where(leads, beaten >= other, beaten > other)
            next_best = torch.where(takes, beaten, other)
            next_place = torch.where(takes, beaten_place, other_place)
            place = torch.where(leads, at + begin, place)
            best = torch.where(leads, top, best)
        return place, next_place


class DecisionCounter:
    """Counts, by class, how samples are decided."""

    def __init__(self, centers: Centers, num_classes: int, dim: int, device: torch.device):
        """Raises InvalidArgument unless there are centres [num_classes, dim], on that device."""
        means, present = centers.means, centers.present
        if tuple(means.shape) != (num_classes, dim) or tuple(present.shape) != (num_classes,):
            raise InvalidArgument(
                f"expected centers of shape [{num_classes}, {dim}]; got {list(means.shape)}, "
                f"present {list(present.shape)}"
            )
        if means.device != device or present.device != device:
            raise InvalidArgument(f"expected centers on {device}; got them on {means.device}")
        count = int(present.sum())
        if count == 0:
            raise InvalidArgument("expected centers of at least one class; got none")
        self.epoch = centers.epoch
        self._means = means.to(torch.float64)
        self._origin = torch.zeros(dim, dtype=torch.float64, device=device)
        self._offsets = torch.empty(num_classes, dtype=torch.float64, device=device)
        for tile in _tiles(num_classes):
            self._origin += self._means[tile].masked_fill(~present[tile].unsqueeze(1), 0).sum(0)
        self._origin /= count
        for tile in _tiles(num_classes):
            self._offsets[tile] = (self._means[tile] - self._origin).square_().sum(1).div_(-2)
        self._offsets.masked_fill_(~present | _repeats(self._means, present), -torch.inf)
        self._nearest: AffineScores | None = None
        shape = (3, num_classes + 1)
        self._counts = torch.zeros(shape, dtype=torch.int64, device=device)

    def add(self, rows: Tensor, labels: Tensor, decided: AffineScores | Tensor) -> None:
        """Counts rows [n, d] whose label is below K; what is `decided`, or what decides."""
        dropped = (labels == self._counts.shape[1] - 1).unsqueeze(1)
        wide = rows.to(torch.float64, copy=True).masked_fill_(dropped, 0)
        if self._nearest is None:
            self._nearest = AffineScores(self._means, self._offsets, rows.dtype, self._origin)
        nearest = self._nearest.decide(wide)
        chosen = decided.decide(wide) if isinstance(decided, AffineScores) else decided
        for counts, agree in zip(
            self._counts,
            (chosen == nearest, nearest == labels, chosen == labels),
            strict=True,
        ):
            counts.index_add_(0, labels, agree.to(torch.int64))

    def counts(self, classes: Tensor) -> Tensor:
        """Returns agreements, nearest and classifier correct of the classes. [3, P] int64."""
        return self._counts[:, classes]


def classifier_scores(weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> AffineScores:
    """Returns the scores W h + b of features of `dtype`. W [K, d], b [K]."""
    if bias is None:
        offsets = torch.zeros(len(weight), dtype=torch.float64, device=weight.device)
    else:
        offsets = bias.to(torch.float64)
    return AffineScores(weight, offsets, dtype, None)


def _repeats(means: Tensor, present: Tensor) -> Tensor:
    """Returns which classes have exactly the centre of a lower one. [K] bool.

    By sums of their bits times odd numbers, modulo 2^64, in which order does not matter.
    """
    generator = torch.Generator().manual_seed(0)
    halves = torch.randint(-(2**62), 2**62, means.shape[1:], generator=generator, device="cpu")
    factors = (2 * halves + 1).to(means.device)
    digests = torch.empty_like(present, dtype=torch.int64)
    for tile in _tiles(len(means)):
        bits = (means[tile] + 0.0).view(torch.int64)  # -0 becomes 0
        digests[tile] = (bits * factors).sum(1)
    classes = present.nonzero().squeeze(1)
    ordered, order = digests[classes].sort(stable=True)
    repeats = torch.zeros_like(present)
    repeats[classes[order[1:]]] = ordered[1:] == ordered[:-1]
    return repeats


def _tiles(classes: int) -> Iterator[slice]:
    return (slice(begin, begin + TILE_CLASSES) for begin in range(0, classes, TILE_CLASSES))
