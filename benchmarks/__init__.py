"""Where the figures of docs/benchmarks.md come from. Each module has run(), which measures and returns Markdown."""
