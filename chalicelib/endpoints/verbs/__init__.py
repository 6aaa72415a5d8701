"""What each route does: resources, subresources, watches, logs, files. Used by every client."""
