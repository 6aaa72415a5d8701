"""Request bodies to objects: JSON, YAML and protobuf. Used by every client that writes."""
