"""Botocore's descriptions of AWS: each is read once in a process, however many sessions make clients by it.

By itself every session reads those of all endpoints, 1.2 MB, and looks into the folders of all services.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader


class PlainFiles(JSONFileLoader):
    """Reads files as botocore does, but into dicts: they keep their order, too, and take half as long to make."""

    def load_file(self, file_path: str) -> Any:  # Any: whatever JSON holds
        """Return what the JSON file of that name without its ending holds, None if there is none."""
        for ending, opened in ((".json", open), (".json.gz", gzip.open)):
            if os.path.isfile(file_path + ending):
                with opened(file_path + ending, "rb") as file:
                    return json.loads(file.read())
        return None


class Models(Loader):
    """Finds and loads descriptions as botocore does. Safe to share between sessions."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 (botocore's signature)
        """Return the names of all services; botocore tells by itself if one of them lacks what is asked for."""
        return [name for path in self.search_paths if Path(path).is_dir() for name in os.listdir(path)]


MODELS = Models(file_loader=PlainFiles())
