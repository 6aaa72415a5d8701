"""Tasks as jobs of Slurm. Start reading at `provider`; each job runs one task by `supervised.supervisor.job_entry`."""
