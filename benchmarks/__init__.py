"""Where the README's numbers come from. Each module has run(), which measures and returns Markdown."""
