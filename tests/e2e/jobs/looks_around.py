"""Print what the pod was given: files named on the command line, variables named after `--`."""

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

split = sys.argv.index("--")
for path in sys.argv[1:split]:
    print(f"{path}: {Path(path).read_text().strip()}", flush=True)
for name in sys.argv[split + 1 :]:
    print(f"{name}={os.environ.get(name)}", flush=True)
spark = SparkSession.builder.appName("looks-around").getOrCreate()
folders = spark.sparkContext.parallelize([0], 1).map(lambda _: os.environ["SPARK_LOCAL_DIRS"]).collect()[0]
print(f"executor works in {folders}", flush=True)  # one write: the JVM logs beside it
spark.stop()
