"""Have the kernel end executor 1 for want of memory, once: its JVM is made the first to go, then memory is eaten."""

import os
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

MIB = 1024 * 1024
seconds = float(sys.argv[1])  # here: a Python worker has arguments of its own
spark = SparkSession.builder.appName("eats-memory").getOrCreate()


def eat(number: int) -> int:
    if os.environ.get("SPARK_EXECUTOR_ID") == "1":
        for process in Path("/proc").glob("[0-9]*"):
            if (process / "comm").read_text().strip() == "java":
                (process / "oom_score_adj").write_text("1000")
        eaten = []
        while True:
            eaten.append(bytearray(8 * MIB))
    time.sleep(seconds)
    return number


print(spark.sparkContext.parallelize(range(4), 4).map(eat).count(), "tasks came back", flush=True)
spark.stop()
