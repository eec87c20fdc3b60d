"""One pass over samples on a torch device, shifted per class so that nothing cancels.

As the server's accumulator, and what its documentation says of precision holds here: rows wait
until a chunk of `CHUNK_ROWS` is full, so that the references do not hang on the size of the
batches; the difference h - r_c is taken in float64 and rounded to float32 for the product only;
class sums, squared norms and the diagonal of the scatter are sums of float64 numbers. What differs:

- Rows that are dropped keep their place in a chunk, as zeros, since taking them out would need to
  know how many there are, and the device would have to be waited for.
- Every float32 chunk is scaled by a power of two that brings its largest magnitude into [1, 2). The
  server does that, or multiplies in float64, only where float32 would over- or underflow.
- A chunk is one product of all of d x d; torch has none of the upper triangle alone.
- On CUDA devices float64 sums over rows of a class are made by atomics in no fixed order, so two
  runs differ in the last bits, unless torch.use_deterministic_algorithms is on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .arithmetic import float32_products

# Rows that are multiplied at once; float32 products of so many are summed in float32.
CHUNK_ROWS = 2048


@dataclass(frozen=True)
class CentredSums:
    """What has been added, about the class means; P present classes, float64, on the device."""

    classes: Tensor
    """Labels of the present classes, ascending. [P] int64."""
    counts: Tensor
    """Samples per present class. [P] int64."""
    means: Tensor
    """Class means. [P, d]."""
    within: Tensor
    """Sum over the class of ||h - mu_c||^2. [P]."""
    scatter: Tensor
    """N S_W; right in the upper triangle only. [d, d]."""
    sum_squares: Tensor
    """Sum of ||h||^2. []."""
    shifted_trace: Tensor
    """Trace of what was multiplied, sum of ||h - r_y||^2. []."""


class ShiftedSums:
    """Sums over h - r_c, r_c the mean of the rows of class c in the first chunk that has any."""

    def __init__(self, num_classes: int, dim: int, dtype: torch.dtype, device: torch.device):
        """Takes rows of `dtype`; products are float64 for float64 rows, else float32."""
        self.dtype = dtype
        self._dropped = num_classes  # label of rows that do not count; one more class
        self._compute = torch.float64 if dtype == torch.float64 else torch.float32

        def zeros(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self.counts = zeros(num_classes + 1, dtype=torch.int64)
        self._leaders = zeros(num_classes + 1, dtype=torch.int64)
        self._references = zeros(num_classes + 1, dim, dtype=self._compute)
        self._sums = zeros(num_classes + 1, dim)
        self._squares = zeros(num_classes + 1)
        self._column_squares = zeros(dim)
        self._sum_squares = zeros()
        self._scatter = zeros(dim, dim)
        self._rows = zeros(CHUNK_ROWS, dim, dtype=dtype)
        self._labels = zeros(CHUNK_ROWS, dtype=torch.int64)
        self._fill = 0

    @property
    def room(self) -> int:
        """Rows until the chunk is full, at least 1."""
        return CHUNK_ROWS - self._fill

    def add(self, rows: Tensor, labels: Tensor) -> None:
        """Adds [n, d] rows, n <= `room`; label K is that of rows that do not count."""
        count = len(rows)
        if count == CHUNK_ROWS:
            self._add_chunk(rows, labels)
            return
        self._rows[self._fill : self._fill + count].copy_(rows)
        self._labels[self._fill : self._fill + count].copy_(labels)
        self._fill += count
        if self._fill == CHUNK_ROWS:
            self.flush()

    def flush(self) -> None:
        """Adds the rows that wait."""
        if self._fill > 0:
            self._add_chunk(self._rows[: self._fill], self._labels[: self._fill])
        self._fill = 0

    def _add_chunk(self, rows: Tensor, labels: Tensor) -> None:
        dropped = (labels == self._dropped).unsqueeze(1)
        wide = rows.to(torch.float64, copy=True).masked_fill_(dropped, 0)
        self._sum_squares += torch.dot(wide.reshape(-1), wide.reshape(-1))
        references = self._settled(wide, labels)
        wide -= references
        self._references.index_copy_(0, labels, references)
        self.counts.index_add_(0, labels, torch.ones_like(labels))
        self._sums.index_add_(0, labels, wide)
        squares = wide.square()
        self._squares.index_add_(0, labels, squares.sum(1))
        self._column_squares += squares.sum(0)
        if self._compute == torch.float64:
            self._scatter.addmm_(wide.T, wide)
            return
        scale = _inverse_power(wide.abs().amax())
        narrow = (wide * scale).to(torch.float32)
        with float32_products():
            products = torch.mm(narrow.T, narrow)
        unscale = 1 / scale
        self._scatter += products.to(torch.float64).mul_(unscale).mul_(unscale)

    def _settled(self, wide: Tensor, labels: Tensor) -> Tensor:
        """Returns r_y of each row: what it is, or for classes that are new, what it becomes.

        A mean is taken about one row of its class, so that equal rows leave no rounding.
        """
        places = torch.arange(len(labels), device=labels.device)
        self._leaders.index_copy_(0, labels, places)  # of rows of a class any one, but one
        leaders = self._leaders[labels]
        origins = wide[leaders]
        totals = torch.zeros_like(wide).index_add_(0, leaders, wide - origins)
        members = torch.zeros_like(places).index_add_(0, leaders, torch.ones_like(places))
        origins += totals[leaders] / members[leaders].unsqueeze(1)
        known = (self.counts[labels] > 0).unsqueeze(1)
        return torch.where(known, self._references[labels], origins.to(self._compute))

    def device_bytes(self) -> int:
        """Bytes of all that it keeps."""
        tensors = [each for each in vars(self).values() if isinstance(each, Tensor)]
        return sum(each.numel() * each.element_size() for each in tensors)

    def means(self) -> Tensor:
        """Returns the class means, 0 of absent classes. [K, d] float64."""
        counts = self.counts[: self._dropped].clamp(min=1).unsqueeze(1)
        means = self._sums[: self._dropped] / counts
        means += self._references[: self._dropped]
        return means

    def centred(self) -> CentredSums:
        """Returns what has been flushed. Takes 8 (P d + d^2) bytes; waits for the device."""
        classes = self.counts[: self._dropped].nonzero().squeeze(1)
        counts = self.counts[classes]
        dim = len(self._scatter)
        means = torch.empty(len(classes), dim, dtype=torch.float64, device=classes.device)
        within = self._squares[classes]
        scatter = self._scatter.clone()
        diagonal = self._column_squares.clone()
        for begin in range(0, len(classes), CHUNK_ROWS):
            run = slice(begin, begin + CHUNK_ROWS)
            roots = counts[run].to(torch.float64).sqrt_().unsqueeze(1)
            scaled = self._sums[classes[run]] / roots
            torch.add(self._references[classes[run]], scaled / roots, out=means[run])
            scatter.addmm_(scaled.T, scaled, alpha=-1)
            scaled.square_()
            within[run] -= scaled.sum(1)
            diagonal -= scaled.sum(0)
        # Below 0 by rounding only. Products in float32 round the diagonal more than this sum does.
        scatter.diagonal().copy_(diagonal.clamp_(min=0))
        return CentredSums(
            classes,
            counts,
            means,
            within.clamp_(min=0),
            scatter,
            self._sum_squares,
            self._column_squares.sum(),
        )


def _inverse_power(magnitude: Tensor) -> Tensor:
    """Returns 2^-e for a float64 magnitude in [2^e, 2^(e+1)): exactly, which pow need not be."""
    exponent = (magnitude.view(torch.int64) >> 52).clamp(min=1)  # of 0, that of the smallest
    return ((2046 - exponent) << 52).view(torch.float64)
