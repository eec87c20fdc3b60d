"""Scenario: a thousand streams that are open at the same time."""

import asyncio
import time

import grpc
import worker
from honest import comparable
from loaded_server import MIB, LoadError, Server
from ncscope.v1 import service_pb2, types_pb2

WORLD = 100  # ranks of a series; ListSeries names as many that are missing
BATCHES = 3
SERVICE = "/ncscope.v1.NeuralCollapseService/"


async def stream(channel, run, rank, wait_until_all):
    """Streams one rank; `wait_until_all` returns once all streams have come that far."""
    call = channel.stream_stream(
        SERVICE + "Stream",
        request_serializer=service_pb2.StreamRequest.SerializeToString,
        response_deserializer=service_pb2.StreamResponse.FromString,
    )(timeout=300)
    opened = worker.open_message(run, "train", rank, WORLD)
    await call.write(service_pb2.StreamRequest(open=opened))
    if (await call.read()).opened.next_sequence != 0:
        raise LoadError(f"{run} rank {rank} is not new")
    await wait_until_all()
    for sequence in range(BATCHES):
        await call.write(worker.batch("train", rank, sequence))
        while (await call.read()).ack.received_sequence != sequence:
            pass  # what became durable
    for chunk in worker.classifier_chunks() if rank == 0 else ():
        await call.write(chunk)
    await wait_until_all()
    await call.write(service_pb2.StreamRequest(close=service_pb2.Close(batches=BATCHES)))
    while (response := await call.read()).HasField("ack"):
        pass
    await call.done_writing()
    return response.closed.HasField("report")


async def check_open(channel, names, batches):
    """The server itself says that all ranks of all series are being streamed."""
    method = channel.unary_unary(
        SERVICE + "ListSeries",
        request_serializer=service_pb2.ListSeriesRequest.SerializeToString,
        response_deserializer=service_pb2.ListSeriesResponse.FromString,
    )
    series = (await method(service_pb2.ListSeriesRequest(), timeout=60)).series
    open_now = sum(rank.connected and rank.batches == batches for s in series for rank in s.missing)
    if open_now != len(names) * WORLD:
        raise LoadError(f"{open_now} streams are open, not {len(names) * WORLD}")


async def stream_at_once(address, names):
    """Streams all ranks of these runs at once; returns the reports."""
    here = 0
    arrived = [asyncio.Event() for _ in range(2)]
    options = (("grpc.use_local_subchannel_pool", 1),)  # a connection for each channel
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in names]

    def meeting():
        steps = iter(enumerate(arrived, 1))

        async def wait_until_all():
            nonlocal here
            step, event = next(steps)
            here += 1
            if here == step * len(names) * WORLD:
                await check_open(channels[0], names, 0 if step == 1 else BATCHES)
                event.set()
            await event.wait()

        return wait_until_all

    calls = [
        stream(channel, name, rank, meeting())
        for channel, name in zip(channels, names, strict=True)
        for rank in range(WORLD)
    ]
    made = sum(await asyncio.gather(*calls))
    if made != len(names):
        raise LoadError(f"{made} streams got a report, not {len(names)}")
    reports = [await report(channels[0], name) for name in names]
    for channel in channels:
        await channel.close()
    return reports


async def stream_alone(address):
    """The same ranks, one after the other."""

    async def go_on():
        pass

    async with grpc.aio.insecure_channel(address) as channel:
        for rank in range(WORLD):
            await stream(channel, "alone", rank, go_on)
        return await report(channel, "alone")


async def report(channel, run):
    method = channel.unary_unary(
        SERVICE + "GetReport",
        request_serializer=service_pb2.GetReportRequest.SerializeToString,
        response_deserializer=service_pb2.GetReportResponse.FromString,
    )
    key = types_pb2.SeriesKey(run=run, epoch=0, split="train")
    return comparable((await method(service_pb2.GetReportRequest(key=key), timeout=60)).report)


def streams(folder, count):
    """`count` streams are open at once: each report is that of streams one after the other."""
    with Server(folder / "streams", state=256 * MIB) as server:
        expected = asyncio.run(stream_alone(server.address))
        began = time.monotonic()
        names = [f"run{number}" for number in range(count // WORLD)]
        with server.bounded() as used:
            reports = asyncio.run(stream_at_once(server.address, names))
        if any(other != expected for other in reports):
            raise LoadError(f"another report than that of streams one by one: {reports}")
        seconds = time.monotonic() - began
        print(f"streams: {count} at once, {seconds:.1f} s, {used() / MIB:.0f} MiB", flush=True)
