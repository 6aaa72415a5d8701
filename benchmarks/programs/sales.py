"""The job of `make bench BENCH=work`: Parquet, two joins, a shuffle and a Python UDF. Its argument is a folder."""

from __future__ import annotations

import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

ORDERS, CUSTOMERS, PRODUCTS = 4_000_000, 200_000, 1_000
began = time.monotonic()
spark = SparkSession.builder.appName("sales").getOrCreate()
up = time.monotonic()
print(f"session {up - began:.2f}", flush=True)

folder = sys.argv[1]
orders = spark.range(ORDERS).select(
    "id",
    (F.xxhash64("id") % CUSTOMERS).alias("customer"),
    (F.xxhash64(F.col("id") + 1) % PRODUCTS).alias("product"),
    (F.col("id") % 97 + 1).alias("amount"),
)
customers = spark.range(CUSTOMERS).select(
    (F.col("id") - CUSTOMERS // 2).alias("customer"), (F.col("id") % 50).alias("region")
)
products = spark.range(PRODUCTS).select(
    (F.col("id") - PRODUCTS // 2).alias("product"), (F.col("id") % 13 + 1).alias("price")
)
orders.write.mode("overwrite").parquet(f"{folder}/orders")
customers.write.mode("overwrite").parquet(f"{folder}/customers")


@F.udf("string")
def grade(revenue: int) -> str:
    """Return a word for what was sold."""
    return "abcdefgh"[min(len(str(revenue)), 8) - 1] + str(revenue % 7)


joined = (
    spark.read.parquet(f"{folder}/orders")
    .join(spark.read.parquet(f"{folder}/customers").hint("shuffle_merge"), "customer")
    .join(F.broadcast(products), "product")
    .withColumn("revenue", F.col("amount") * F.col("price"))
)
by_customer = joined.groupBy("customer", "region").agg(F.sum("revenue").alias("revenue"), F.count("*").alias("orders"))
by_customer.withColumn("grade", grade("revenue")).write.mode("overwrite").parquet(f"{folder}/graded")
graded = spark.read.parquet(f"{folder}/graded")
top = graded.groupBy("region", "grade").agg(F.sum("revenue").alias("revenue")).orderBy(F.desc("revenue")).limit(5)
print("top", [tuple(row) for row in top.collect()])
print("revenue", graded.agg(F.sum("revenue")).first()[0])
print(f"job {time.monotonic() - up:.2f}", flush=True)
spark.stop()
