"""Storage for the files of jobs until the jobs end: a folder on this machine, or a bucket. Used by `submit`."""
