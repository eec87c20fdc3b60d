"""The calls of NeuralCollapseService, made from its descriptor: a new one needs no code here."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import message_factory

from .v1 import service_pb2

_SERVICE = service_pb2.DESCRIPTOR.services_by_name["NeuralCollapseService"]

CHANNEL_OPTIONS = (
    # A report of many classes is larger than the default of 4 MiB.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Notices a server that is gone or hangs within 80 s; servers allow a ping every 10 s.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Proxies are for the web; a trainer's server is named.
    ("grpc.enable_http_proxy", 0),
    # A server that restarts is found again within the second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


def callables(channel: grpc.Channel) -> dict[str, Any]:
    """Returns the calls by method name; Stream takes requests that are serialised already."""
    out: dict[str, Any] = {}
    for method in _SERVICE.methods:
        kind = "_".join(
            "stream" if streams else "unary"
            for streams in (method.client_streaming, method.server_streaming)
        )
        request = message_factory.GetMessageClass(method.input_type)
        response = message_factory.GetMessageClass(method.output_type)
        out[method.name] = getattr(channel, kind)(
            f"/{_SERVICE.full_name}/{method.name}",
            request_serializer=None if method.name == "Stream" else request.SerializeToString,
            response_deserializer=response.FromString,
        )
    return out


def raw_put_statistics(channel: grpc.Channel) -> Any:
    """Returns PutStatistics for requests that are serialised already."""
    return channel.stream_unary(
        f"/{_SERVICE.full_name}/PutStatistics",
        request_serializer=None,
        response_deserializer=service_pb2.PutStatisticsResponse.FromString,
    )


def is_serving(channel: grpc.Channel, timeout: float) -> bool:
    """Asks grpc.health.v1 for the state of the whole server; False if it does not answer."""
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    try:
        # An empty HealthCheckRequest; the response is its enum `status`, 1 for SERVING.
        answer: bytes = check(b"", timeout=timeout)
    except grpc.RpcError:
        return False
    return answer == b"\x08\x01"
