"""Files that jobs bring along: taken, kept by content, given to pods, removed. Used by `submit` with local files."""
