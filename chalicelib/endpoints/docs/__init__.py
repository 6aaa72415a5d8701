"""What the API says about itself: discovery, OpenAPI, version. Used by kubectl, helm and client libraries."""
