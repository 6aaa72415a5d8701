"""What runs on a person's machine and is never deployed: command line, dev server, job submission."""
