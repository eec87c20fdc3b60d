"""The trainer's side: one object in a training loop, and training never notices."""

from .epoch import Epoch
from .future import ReportFuture
from .monitor import Monitor, MonitorOptions

__all__ = ["Epoch", "Monitor", "MonitorOptions", "ReportFuture"]
