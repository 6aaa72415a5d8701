"""Have executor 1 ended for want of memory, once: SECONDS that other tasks take, and a PAUSE between two bites.

Without a pause the kernel is to end it: the JVM is made the first to go.
"""

import os
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

MIB = 1024 * 1024
seconds, pause = (float(arg) for arg in sys.argv[1:3])  # here: a Python worker has arguments of its own
spark = SparkSession.builder.appName("eats-memory").getOrCreate()


def make_java_the_first() -> None:
    for process in Path("/proc").glob("[0-9]*"):
        if (process / "comm").read_text().strip() == "java":
            (process / "oom_score_adj").write_text("1000")


def eat(number: int) -> int:
    if os.environ.get("SPARK_EXECUTOR_ID") == "1":
        if not pause:
            make_java_the_first()
        eaten = []
        while True:
            eaten.append(bytearray(8 * MIB))
            time.sleep(pause)
    time.sleep(seconds)
    return number


done = spark.sparkContext.parallelize(range(4), 4).map(eat).count()
print(f"{done} tasks came back", flush=True)
spark.stop()
