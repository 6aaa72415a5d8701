"""Tasks on AWS ECS Fargate.

sizes and definitions say what to register and run, payload what each task fetches at its start, states what
ECS reports; all of these are pure. provider does it, logs reads CloudWatch.
"""
