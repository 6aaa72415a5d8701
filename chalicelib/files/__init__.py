"""Where the files of jobs are kept until their jobs have ended: a folder on this machine, or a bucket."""
