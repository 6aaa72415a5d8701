"""A Spark Connect client: reads the URL from its input, once all is imported, and sums on the executors."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql.connect.session import SparkSession as _Imported  # noqa: F401  # before the URL is asked for

session = SparkSession.builder.remote(sys.stdin.readline().strip()).getOrCreate()
print("the sum is", session.range(1000).repartition(4).selectExpr("sum(id)").collect()[0][0])
session.stop()
