"""The file of audit lines of a control plane that keeps files."""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOG = logging.getLogger(__name__)
MAX_BYTES, FILES = 20_000_000, 5  # of one file, and how many: some 150,000 lines


class AuditFile(RotatingFileHandler):
    """A file of audit lines for its owner alone, which says in one line of the log when one could not be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=FILES - 1, delay=True)

    def _open(self) -> TextIOWrapper:
        file = super()._open()
        os.fchmod(file.fileno(), 0o600)
        return file

    def handleError(self, record: logging.LogRecord) -> None:  # logging's name
        """Log what has become of a record instead of printing a traceback."""
        LOG.error("audit line lost: %s line=%s", sys.exc_info()[1], record.getMessage())
