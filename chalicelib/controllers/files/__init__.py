"""Files of jobs: taken, kept by content, given to pods, removed."""
