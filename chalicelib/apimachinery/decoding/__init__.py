"""Bodies of requests to objects: JSON, YAML and protobuf as Go reads them. Used by every client that writes."""
