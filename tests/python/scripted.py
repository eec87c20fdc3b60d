"""A server in this process that does what a test tells it to: to fail at a given point."""

import threading
from concurrent import futures

import grpc
from ncscope.v1 import service_pb2

SERVICE = "ncscope.v1.NeuralCollapseService"
LOST = (grpc.StatusCode.UNAVAILABLE, "the card is lost, says the test")
CANCELLED = (grpc.StatusCode.CANCELLED, "the caller is gone")


class ScriptedServer:
    """Answers Stream as `scripts` say, one after another, then well; other calls end with `others`.

    A script is a dict: `next` is the answer to Open (default: what came so far), `end` whether the
    call ends with `status` (LOST) at "open", at "close" or after so many batches; "hang" answers
    nothing. With `durable` n, acknowledgements say that all is durable at every n-th batch.
    """

    def __init__(self, scripts=(), others=CANCELLED):
        self._scripts = list(scripts)
        self._others = others
        self._received = 0
        self.opens = 0
        self.calls = []  # sequence numbers of the batches of each
        self.waiting = threading.Event()  # a call hangs
        self._stopped = threading.Event()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)]
        )
        self._server.add_generic_rpc_handlers((_Handler(self),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def stop(self):
        self._stopped.set()
        self._server.stop(None).wait()

    def stream(self, requests, context):
        script = self._scripts.pop(0) if self._scripts else {}
        end, status, batches = script.get("end"), script.get("status", LOST), 0
        durable = 0
        for request in requests:
            response = service_pb2.StreamResponse()
            kind = request.WhichOneof("message")
            if kind == "open":
                self.opens += 1
                self.calls.append([])
                if end == "open":
                    context.abort(*status)
                if end == "hang":
                    self.hang(context)
                self._received = script.get("next", self._received)
                response.opened.next_sequence = self._received
                response.opened.tells_durable = script.get("tells_durable", "durable" in script)
            elif kind == "batch":
                batches += 1
                self.calls[-1].append(request.batch.sequence)
                self._received = max(self._received, request.batch.sequence + 1)
                if end == batches:
                    context.abort(*status)
                response.ack.received_sequence = self._received - 1  # also of one that it had
                if "durable" in script and batches % script["durable"] == 0:
                    durable = self._received
                if durable:
                    response.ack.durable_sequence = durable - 1
            elif kind == "close":
                if end == "close":
                    context.abort(*status)
                response.closed.closed_ranks = 1
            else:
                continue
            yield response

    def other(self, request, context):
        if self._others == "hang":
            self.hang(context)
        context.abort(*self._others)

    def hang(self, context):
        self.waiting.set()
        while context.is_active() and not self._stopped.wait(0.01):
            pass
        context.abort(*LOST)


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, server):
        self._server = server

    def service(self, call):
        name = call.method.removeprefix(f"/{SERVICE}/")
        if name == "Stream":
            return grpc.stream_stream_rpc_method_handler(
                self._server.stream,
                service_pb2.StreamRequest.FromString,
                service_pb2.StreamResponse.SerializeToString,
            )
        if name in ("WatchReports", "GetStatistics"):
            return grpc.unary_stream_rpc_method_handler(self._server.other)
        return grpc.unary_unary_rpc_method_handler(self._server.other)
