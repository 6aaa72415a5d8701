"""Sleep in tasks, so that a test can do something to a job that runs: SECONDS a task, TASKS of them, ROUNDS times.

Between two rounds the driver pauses for PAUSE seconds. Prints how many tasks came back.
"""

import sys
import time

from pyspark.sql import SparkSession

seconds, tasks, rounds, pause = (float(arg) for arg in sys.argv[1:5])
spark = SparkSession.builder.appName("sleepers").getOrCreate()


def nap(number: int) -> int:
    time.sleep(seconds)
    return number


done = 0
for turn in range(int(rounds)):
    if turn:
        time.sleep(pause)
    done += spark.sparkContext.parallelize(range(int(tasks)), int(tasks)).map(nap).count()
    print(f"round {turn + 1}: {done} tasks came back", flush=True)
spark.stop()
