"""Import a module that came by --py-files, in the driver and in the executors."""

from greeting import greet
from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("uses-module").getOrCreate()
words = spark.sparkContext.parallelize(["a", "b", "c"], 3).map(greet).collect()
print(f"executors said {' '.join(words)} and the driver {greet('d')}", flush=True)  # one write: the JVM logs beside it
spark.stop()
