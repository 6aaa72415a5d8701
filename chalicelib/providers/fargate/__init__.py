"""Tasks on AWS ECS Fargate.

sizes and definitions say what to register and run, payload what each task fetches at its start, states what
ECS reports, unhonoured what is not done as asked; all of these are pure. provider does it, logs reads CloudWatch.
"""
