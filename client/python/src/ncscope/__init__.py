"""ncscope: measures neural collapse while a network trains.

Stream the features of an epoch to a server, and read the report::

    with ncscope.Client("127.0.0.1:50051") as client:
        with client.stream("my-run", epoch, num_classes=10) as stream:
            for features, labels in batches:
                stream.add(features, labels)
            stream.classifier(weight, bias)
        print(stream.report.nc1.pinv)
"""

from . import errors
from .client import Client
from .connection import StreamOptions
from .errors import NcscopeError
from .monitor import Epoch, Monitor, MonitorOptions, ReportFuture
from .report import Report
from .statistics import Decisions, Statistics
from .stream import Stream
from .v1.report_types import Run
from .version import __version__

__all__ = [
    "Client",
    "Decisions",
    "Epoch",
    "Monitor",
    "MonitorOptions",
    "NcscopeError",
    "Report",
    "ReportFuture",
    "Run",
    "Statistics",
    "Stream",
    "StreamOptions",
    "__version__",
    "errors",
]
