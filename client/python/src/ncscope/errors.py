"""Exceptions by cause. Their text is the server's: what was expected, and what came."""

from __future__ import annotations

import grpc


class NcscopeError(Exception):
    """Base of everything that ncscope raises on purpose."""


class InvalidArgument(NcscopeError, ValueError):
    """The input is wrong: a shape, a type, a range, a NaN."""


class NotFound(NcscopeError, LookupError):
    """There is no such run or report."""


class AlreadyExists(NcscopeError):
    """The server holds something else under this name, or holds it already."""


class FailedPrecondition(NcscopeError):
    """The call came in the wrong order, or the data does not allow an answer."""


class ResourceExhausted(NcscopeError):
    """A budget of the server is used up; try again later."""


class Unavailable(NcscopeError, ConnectionError):
    """The server cannot be reached, or went away."""


class NoProgress(Unavailable):
    """The server was lost again after several recoveries that led nowhere."""


class DeadlineExceeded(NcscopeError, TimeoutError):
    """The answer did not come in time."""


class DataLoss(NcscopeError):
    """Bytes are not what was sent or stored: a checksum does not match."""


class Unauthenticated(NcscopeError, PermissionError):
    """The server wants a token."""


class PermissionDenied(NcscopeError, PermissionError):
    """The token does not allow this."""


class Cancelled(NcscopeError):
    """The caller cancelled the call, or closed the client."""


class Unimplemented(NcscopeError, NotImplementedError):
    """The server does not offer this call."""


class ServerError(NcscopeError):
    """The server failed; its log says more."""


_BY_CODE: dict[grpc.StatusCode, type[NcscopeError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.DATA_LOSS: DataLoss,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
}


def from_rpc(error: grpc.RpcError, cancelled: bool) -> NcscopeError:
    """Turns the status of a failed call into the exception of its cause.

    `cancelled` says whether the caller has cancelled it; else a server that stops has.
    """
    code = error.code() if hasattr(error, "code") else grpc.StatusCode.UNKNOWN
    if code is grpc.StatusCode.CANCELLED and not cancelled:
        return Unavailable("the server ended the call")
    text = (error.details() if hasattr(error, "details") else None) or str(error)
    return _BY_CODE.get(code, ServerError)(text)
