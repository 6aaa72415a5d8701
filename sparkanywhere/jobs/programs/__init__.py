"""Programs of ours that run as drivers: alone in a folder, since that comes onto their PYTHONPATH."""
