"""What applications need beside their own parts (manual: circuits.app)."""

from __future__ import annotations

from .attach import Attach
from .config import Config
from .daemon import Daemon
from .dropprivileges import DropPrivileges
from .env import Environment
from .log import JSONFormatter, Log, Logger
from .recording import Recording
from .startup import Startup
from .systemd import Systemd

__all__ = [
    "Attach",
    "Config",
    "Daemon",
    "DropPrivileges",
    "Environment",
    "JSONFormatter",
    "Log",
    "Logger",
    "Recording",
    "Startup",
    "Systemd",
]
