"""Sleep in tasks, so that a test can do something to a job that runs: SECONDS a task, TASKS of them.

With a third argument, wait afterwards until so few executors are LEFT, and run as many short tasks again. Prints how
many tasks came back.
"""

import sys
import time

from pyspark.sql import SparkSession

GIVE_UP_SECONDS = 180  # far beyond spark.dynamicAllocation.executorIdleTimeout
SEEN_SECONDS = 5  # in which a test sees that they are gone, before tasks ask for more

seconds, tasks = float(sys.argv[1]), int(sys.argv[2])
left = int(sys.argv[3]) if len(sys.argv) > 3 else None
spark = SparkSession.builder.appName("sleepers").getOrCreate()


def count_after(pause: float) -> int:
    return spark.sparkContext.parallelize(range(tasks), tasks).map(lambda _: time.sleep(pause)).count()


def executors() -> int:
    return len(spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos()) - 1  # the driver is one of them


done = count_after(seconds)
print(f"round 1: {done} tasks came back", flush=True)
if left is not None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while executors() > left and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(SEEN_SECONDS)
    done += count_after(0.1)
    print(f"round 2: {done} tasks came back", flush=True)
spark.stop()
