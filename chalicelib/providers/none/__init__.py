"""The provider that launches nothing. Used where the API alone is wanted: conformance, benchmarks, learning kubectl."""
