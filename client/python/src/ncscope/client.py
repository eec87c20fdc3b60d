"""The client: streams to a server, and asks it for reports."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Literal

import grpc

from .choices import NONFINITE, PROFILES, WEIGHTINGS, choice, report_choices, unsigned
from .connection import StreamOptions
from .errors import Unavailable, from_rpc
from .report import Report, from_message
from .service import CHANNEL_OPTIONS, callables, is_serving
from .statistics import (
    Decisions,
    Statistics,
    announced,
    check_layout,
    put_requests,
    read_statistics,
)
from .stream import Stream
from .v1 import service_pb2, types_pb2
from .v1.report_types import Run
from .wire import checksum_of

PAGE_SIZE = 200


class Client:
    """A connection to an ncscope server; threads may share it."""

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        timeout: float = 60.0,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Connects lazily to `address` ("host:port").

        `timeout` in seconds bounds each answer. `credentials` turn on TLS.
        """
        self.address = address
        self.timeout = timeout
        if credentials is None:
            self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        else:
            self._channel = grpc.secure_channel(address, credentials, options=CHANNEL_OPTIONS)
        self._calls = callables(self._channel)
        self._closed = threading.Event()

    def stream(
        self,
        run: str,
        epoch: int,
        split: str = "train",
        layer: str = "features",
        *,
        num_classes: int,
        dim: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        attempt: int = 0,
        dtype: str | None = None,
        nonfinite: Literal["refuse", "skip"] = "refuse",
        ignore_index: int = -100,
        weighting: Literal["uniform", "by_count"] = "uniform",
        depth: int = 0,
        profile: Literal["default", "papyan", "geometric", "linguistic", "rw"] = "default",
        spectrum: Literal["auto", "none", "leading", "all"] = "auto",
        exact_pairs: bool = False,
        standard_errors: bool = False,
        one_vs_rest_margin: bool = False,
        resume: bool = False,
        options: StreamOptions | None = None,
    ) -> Stream:
        """Returns a stream of one rank's samples; the report is made when all ranks have closed.

        A split other than "train" is judged against the class means of "train" of the same epoch
        and layer. If "train" is still being streamed, its report waits for that one; if there is
        none, the latest earlier epoch's means are taken.

        `run`: name of the training run, [A-Za-z0-9._-], 1 to 128 characters. `epoch` >= 0.
        `num_classes`: declared classes K. `dim`: feature dimension d, by default that of the first
        samples. `rank` in [0, `world_size`). `attempt`: a higher one replaces what lower ones
        streamed. `dtype`: "float32", "float16", "bfloat16" or "float64" to convert to; by default
        that of the first samples. `nonfinite`: a batch with a NaN or an infinity is refused, or
        those rows are skipped and counted. Rows labelled `ignore_index` are skipped and counted.
        `weighting` of the classes in the global mean and in S_B. `depth`: position of the layer
        in the network. `profile`: another tool whose numbers the report holds too, by that tool's
        own conventions, in `Report.profile_numbers`. `spectrum`: eigenvalues of S_W, S_B and S_T in
        the report, 64 "leading" ones, "all", "none", or "auto": leading where they cost little
        beside the samples. `exact_pairs`: pair metrics from all pairs of classes, however many.
        `standard_errors`: of nc1.pinv, quotient and cdnv, by leaving out ranks in turn; needs 8
        ranks. `one_vs_rest_margin`: nc2.*.one_vs_rest_margin, for up to 20,000 classes. `resume`:
        go on after the batches that the server already has.
        """
        message = service_pb2.Open(
            key=_key(run, epoch, split, layer),
            attempt=unsigned("attempt", attempt),
            rank=unsigned("rank", rank),
            world_size=unsigned("world_size", world_size),
            num_classes=unsigned("num_classes", num_classes),
            dim=unsigned("dim", 0 if dim is None else dim),
            label_type=types_pb2.LABEL_TYPE_INT64,
            nonfinite=choice("nonfinite", nonfinite, NONFINITE),
            ignore_index=ignore_index,
            weighting=choice("weighting", weighting, WEIGHTINGS),
            depth=unsigned("depth", depth),
            profile=choice("profile", profile, PROFILES),
            choices=report_choices(spectrum, exact_pairs, standard_errors, one_vs_rest_margin),
        )
        limits = options or StreamOptions(timeout=self.timeout)
        return Stream(self._calls, message, dtype, resume, limits, self._closed)

    def report(
        self,
        run: str,
        epoch: int,
        split: str = "train",
        layer: str = "features",
        *,
        wait: bool = False,
        timeout: float | None = None,
        attempt: int | None = None,
        classes: bool = True,
        layers: bool = True,
    ) -> Report:
        """Returns one report; with `wait`, waits up to `timeout` seconds until it is there.

        `attempt`: only the report of this attempt, by default that of any; a lower one is none
        yet. `classes` False leaves out the per-class table, `layers` False the other layers of the
        same epoch and split that are reported by now. Raises NotFound, DeadlineExceeded, or
        FailedPrecondition where what it waits for was dropped, or a higher attempt took its place.
        """
        request = service_pb2.GetReportRequest(
            key=_key(run, epoch, split, layer),
            wait=wait,
            omit_classes=not classes,
            include_layers=layers,
            attempt=None if attempt is None else unsigned("attempt", attempt),
        )
        return Report.from_message(self._ask("GetReport", request, timeout).report)

    def reports(
        self,
        run: str,
        *,
        split: str = "",
        layer: str = "",
        min_epoch: int = 0,
        max_epoch: int | None = None,
        classes: bool = False,
        layers: bool = False,
    ) -> list[Report]:
        """Returns the reports of a run, ascending by epoch, split and layer; "" stands for all.

        `layers` fills `Report.layers` of each with the other layers of its epoch and split.
        """
        request = service_pb2.ListReportsRequest(
            run=run,
            split=split,
            layer=layer,
            min_epoch=unsigned("min_epoch", min_epoch),
            max_epoch=max_epoch,
            page_size=PAGE_SIZE,
            include_classes=classes,
            include_layers=layers,
        )
        pages = self._pages("ListReports", request)
        return [Report.from_message(entry) for page in pages for entry in page.reports]

    def runs(self) -> list[Run]:
        """Returns all runs, the most recently reported first."""
        pages = self._pages("ListRuns", service_pb2.ListRunsRequest(page_size=PAGE_SIZE))
        return [from_message(entry, Run) for page in pages for entry in page.runs]

    def series(self, run: str = "") -> service_pb2.ListSeriesResponse:
        """Returns what is being streamed, and what is lost, of one run or of all ("")."""
        answer: service_pb2.ListSeriesResponse = self._ask(
            "ListSeries", service_pb2.ListSeriesRequest(run=run)
        )
        return answer

    def report_partial(
        self, run: str, epoch: int, split: str = "train", layer: str = "features"
    ) -> Report | None:
        """Reports an epoch without the ranks that have not closed.

        Returns None where the report waits for that of the train split. Raises FailedPrecondition
        while one of those ranks is being streamed, NotFound if nothing is streamed.
        """
        request = service_pb2.ReportPartialRequest(key=_key(run, epoch, split, layer))
        answer = self._ask("ReportPartial", request)
        return Report.from_message(answer.report) if answer.HasField("report") else None

    def watch(
        self,
        run: str = "",
        *,
        include_existing: bool = False,
        classes: bool = False,
        layers: bool = False,
    ) -> Iterator[Report]:
        """Yields reports as they are computed, of one run or of all (""), until it is left."""
        call = self._calls["WatchReports"](
            service_pb2.WatchReportsRequest(
                run=run,
                include_existing=include_existing,
                include_classes=classes,
                include_layers=layers,
            )
        )
        return self._watch(call)

    def delete(self, run: str) -> int:
        """Deletes a run with its unfinished epochs; returns how many reports it had."""
        answer = self._ask("DeleteRun", service_pb2.DeleteRunRequest(run=run))
        return int(answer.deleted_reports)

    def statistics(
        self, run: str, epoch: int, split: str = "train", layer: str = "features"
    ) -> Statistics:
        """Returns the merged state behind a report: counts, class means, scatter, classifier."""
        request = service_pb2.GetStatisticsRequest(key=_key(run, epoch, split, layer))
        call = self._calls["GetStatistics"](request, timeout=self.timeout)
        try:
            return read_statistics(call)
        except grpc.RpcError as error:
            raise from_rpc(error, self._closed.is_set()) from None

    def put_statistics(
        self,
        run: str,
        epoch: int,
        statistics: Statistics,
        split: str = "train",
        layer: str = "features",
        *,
        decisions: Decisions | None = None,
        rank: int = 0,
        world_size: int = 1,
        attempt: int = 0,
        weighting: Literal["uniform", "by_count"] = "uniform",
        depth: int = 0,
        profile: Literal["default", "papyan", "geometric", "linguistic", "rw"] = "default",
        spectrum: Literal["auto", "none", "leading", "all"] = "auto",
        exact_pairs: bool = False,
        standard_errors: bool = False,
        one_vs_rest_margin: bool = False,
        timeout: float | None = None,
    ) -> Report | None:
        """Closes a rank by the state of its samples, in place of streaming them.

        Returns the report if it was the last rank to close, else None. Ranks of one epoch may
        stream or send states, each as it likes; the report has no nc4 then, which needs a second
        look at all samples. Where every rank sends its state with `decisions`, all against the
        class means of one earlier epoch, nc4 is what they add up to. Other parameters as of
        `stream`. Needs the package crc32c. Raises InvalidArgument for arrays that do not fit
        their header, and what the server says.
        """
        header = announced(statistics.header, decisions)
        message = service_pb2.Open(
            key=_key(run, epoch, split, layer),
            attempt=unsigned("attempt", attempt),
            rank=unsigned("rank", rank),
            world_size=unsigned("world_size", world_size),
            num_classes=header.num_classes,
            dim=header.dim,
            weighting=choice("weighting", weighting, WEIGHTINGS),
            depth=unsigned("depth", depth),
            profile=choice("profile", profile, PROFILES),
            choices=report_choices(spectrum, exact_pairs, standard_errors, one_vs_rest_margin),
        )
        check_layout(header, statistics, decisions)
        checksum_of(b"")  # here, rather than while gRPC asks for messages
        requests = put_requests(message, header, statistics, decisions)
        answer = self._ask("PutStatistics", requests, timeout)
        closed = answer.closed
        return Report.from_message(closed.report) if closed.HasField("report") else None

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Waits until the server serves; raises Unavailable after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not is_serving(self._channel, min(1.0, max(0.001, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                raise Unavailable(f"no server at {self.address} after {timeout} s")
            time.sleep(0.05)

    def close(self) -> None:
        """Closes the connection; calls and streams of it end with Cancelled."""
        self._closed.set()  # first: calls that end know why
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, method: str, request: Any, timeout: float | None = None) -> Any:
        try:
            return self._calls[method](
                request, timeout=self.timeout if timeout is None else timeout
            )
        except grpc.RpcError as error:
            raise from_rpc(error, self._closed.is_set()) from None

    def _pages(self, method: str, request: Any) -> Iterator[Any]:
        while True:
            page = self._ask(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _watch(self, call: Any) -> Iterator[Report]:
        try:
            for answer in call:
                yield Report.from_message(answer.report)
        except grpc.RpcError as error:
            raise from_rpc(error, self._closed.is_set()) from None
        finally:
            call.cancel()


def _key(run: str, epoch: int, split: str, layer: str) -> types_pb2.SeriesKey:
    return types_pb2.SeriesKey(run=run, epoch=unsigned("epoch", epoch), split=split, layer=layer)
