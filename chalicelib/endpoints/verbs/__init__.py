"""What each route does: resources, subresources, watches, logs, files."""
