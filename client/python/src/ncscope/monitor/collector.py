"""What an epoch does with its samples."""

from __future__ import annotations

from typing import Any, Protocol


class Collector(Protocol):
    """What becomes of the samples of an epoch."""

    def add(self, features: Any, labels: Any, predictions: Any, sample_ids: Any) -> None:
        """Takes samples: features [n, d], the others [n] or None."""

    def add_alike(self, features: Any, labels: Any, next_token: bool) -> bool:
        """Takes samples that are as those before, if it can; returns whether it has."""

    def end(self, classifier: tuple[Any, Any] | None, partial: bool) -> None:
        """Ends the epoch, decided by a classifier of weight [K, d] and bias [K]."""

    def drop(self, error: Exception) -> None:
        """Forgets the samples."""
