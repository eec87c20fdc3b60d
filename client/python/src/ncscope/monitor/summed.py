"""Samples that are summed where they are: only the state goes to the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ..arrays import DTYPES
from ..errors import FailedPrecondition, InvalidArgument
from ..statistics import announced, put_requests
from ..v1 import service_pb2, types_pb2
from .future import ReportFuture
from .sender import Sender
from .values import bytes_of

if TYPE_CHECKING:
    from ..edge import Centers, EdgeStatistics

TRAIN = "train"


class EarlierMeans:
    """Class means of the train epochs before: the centres of NC4.

    Those of an epoch are known when it ends. With several ranks, each would know its own only, and
    there are none.
    """

    def __init__(self, world_size: int) -> None:
        """Starts without any."""
        self._alone = world_size == 1
        self._means: list[Centers] = []  # of the last two epochs

    def before(self, epoch: int) -> Centers | None:
        """Returns those of the latest epoch before `epoch`."""
        # Among fewer than two centres there is nothing to decide. Waits for the device, once.
        self._means = [each for each in self._means if int(each.present.sum()) >= 2]
        earlier = [each for each in self._means if each.epoch < epoch]
        return max(earlier, key=lambda each: each.epoch, default=None)

    def keep(self, statistics: EdgeStatistics, epoch: int) -> None:
        """Takes those of an epoch that has ended."""
        if self._alone:
            self._means = [*self._means[-1:], statistics.next_centers(epoch)]


class Summed:
    """The state of the samples goes to the server."""

    def __init__(
        self,
        sender: Sender,
        opened: service_pb2.Open,
        future: ReportFuture,
        may_supersede: bool,
        head: Any,
        means: EarlierMeans,
    ) -> None:
        """`head`: the classifier's module, which decides; None for none, and no NC4."""
        self._sender = sender
        self._open = opened
        self._future = future
        self._may_supersede = may_supersede
        self._head = head
        self._means = means
        self._statistics: EdgeStatistics | None = None
        self._centers: Centers | None = None

    def add(self, features: Any, labels: Any, predictions: Any, sample_ids: Any) -> None:
        """Sums samples on their device."""
        import torch

        if sample_ids is not None:
            raise InvalidArgument("samples that came before are left out in mode 'stream' only")
        features = torch.as_tensor(features)
        if str(features.dtype).removeprefix("torch.") not in DTYPES:
            features = features.float()
        labels = torch.as_tensor(labels).to(features.device, non_blocking=True)
        if predictions is not None:
            predictions = torch.as_tensor(predictions).to(features.device, non_blocking=True)
        statistics = self._begin(features.shape[1], features.device)
        weight = bias = None
        if self._centers is not None and self._head is not None:
            weight, bias = self._head.weight, getattr(self._head, "bias", None)
        statistics.add(features, labels, weight, bias, predictions)

    def add_alike(self, features: Any, labels: Any, next_token: bool) -> bool:
        """Takes none: `add` does."""
        return False

    def end(self, classifier: tuple[Any, Any] | None, partial: bool) -> None:
        """Sends the state from a thread of the sender's, where the device may be waited for."""
        if partial:
            raise InvalidArgument("an epoch is marked partial in mode 'stream' only")
        if self._statistics is None:
            raise FailedPrecondition("no samples were observed")
        statistics, self._statistics = self._statistics, None
        statistics.flush()  # here: torch's precision of products is set meanwhile
        if self._open.key.split == TRAIN:
            self._means.keep(statistics, self._open.key.epoch)
        ready = _moment(statistics.device)
        series = self._sender.begin(
            self._open,
            self._future,
            is_state=True,
            may_supersede=self._may_supersede,
            wants_report=self._open.rank == 0,
        )

        def parts() -> Iterator[bytes]:
            with ready():
                state, decisions = statistics.finish(*(classifier or (None, None)))
            header = announced(state.header, decisions)
            requests = put_requests(self._open, header, state, decisions)
            next(requests)  # the Open: a series has its own
            for request in requests:
                yield request.SerializeToString()

        held = statistics.device_bytes() + bytes_of(*(classifier or ()))
        self._sender.end(series, parts, held_bytes=held)

    def drop(self, error: Exception) -> None:
        """Forgets the samples."""
        self._statistics = None
        self._sender.settle(self._future, error)

    def _begin(self, dim: int, device: Any) -> EdgeStatistics:
        if self._statistics is None:
            from ..edge import EdgeStatistics

            skips = self._open.nonfinite == types_pb2.NONFINITE_POLICY_SKIP
            self._open.dim = dim
            if self._head is not None:
                self._centers = self._means.before(self._open.key.epoch)
            self._statistics = EdgeStatistics(
                self._open.num_classes,
                dim,
                device,
                ignore_index=self._open.ignore_index,
                nonfinite="skip" if skips else "refuse",
                centers=self._centers,
            )
        return self._statistics


def _moment(device: Any) -> Callable[[], AbstractContextManager[None]]:
    """Returns what makes another thread's work on `device` wait for what this one has begun."""
    import torch

    if device.type != "cuda":
        return nullcontext
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))

    @contextmanager
    def there() -> Iterator[None]:
        with torch.cuda.device(device):
            torch.cuda.current_stream(device).wait_event(event)
            yield

    return there
