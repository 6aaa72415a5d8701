"""The contract of providers for those outside this project, by names that an installed package has as well."""

from chalicelib.providers import base, declaration, extensions, interactive

__all__ = ["base", "declaration", "extensions", "interactive"]
