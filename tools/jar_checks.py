"""What `make jars` and tests have Spark do with each set of jars: the program of a job. It prints a line for each set.

Arguments: sets separated by commas, and a folder of an S3; CHECKS_KAFKA and CHECKS_POSTGRES name servers. Every step is
one that users do, and checks what it finds.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable
from typing import Any

ROWS = [(1, "x"), (2, "y")]
MERGED = [(1, "x"), (2, "z"), (3, "w")]


def found(frame: Any) -> list[tuple[int, str]]:  # Any: a DataFrame, whose package is the job's own
    """Return the rows of a table of numbers and texts, in order."""
    return sorted((int(row["a"]), str(row["b"])) for row in frame.select("a", "b").collect())


def expect(what: str, seen: object, wanted: object) -> None:
    """Raise AssertionError if something else was seen."""
    if seen != wanted:
        raise AssertionError(f"{what}: {seen}, not {wanted}")


def merge(spark: Any, table: str) -> None:
    """Merge changed and new rows into a table by SQL."""
    spark.createDataFrame([(2, "z"), (3, "w")], "a INT, b STRING").createOrReplaceTempView("news")
    spark.sql(
        f"MERGE INTO {table} t USING news n ON t.a = n.a"
        " WHEN MATCHED THEN UPDATE SET t.b = n.b WHEN NOT MATCHED THEN INSERT *"
    )


def s3(spark: Any, place: str) -> str:
    """Write, append, overwrite a partition, and read by both schemes."""
    frame = spark.createDataFrame(ROWS, ["a", "b"])
    for scheme in ("s3", "s3a"):
        path = place.replace("s3:", f"{scheme}:") + f"/plain-{scheme}"
        frame.write.mode("overwrite").partitionBy("b").parquet(path)
        frame.write.mode("append").partitionBy("b").parquet(path)
        expect(scheme, found(spark.read.parquet(path)), sorted(ROWS * 2))
    spark.range(1_000_000).write.mode("overwrite").parquet(f"{place}/many")
    expect("a million rows", spark.read.parquet(f"{place}/many").count(), 1_000_000)
    return "writes and reads"


def iceberg(spark: Any, _place: str) -> str:
    """Do what SQL of Iceberg can: merge, update, delete, time travel, compaction."""
    table = "lake.checks.rows"
    spark.sql(f"CREATE OR REPLACE TABLE {table} (a INT, b STRING) USING iceberg")
    spark.createDataFrame(ROWS, "a INT, b STRING").writeTo(table).append()
    (first,) = (row[0] for row in spark.sql(f"SELECT snapshot_id FROM {table}.snapshots").tail(1))
    merge(spark, table)
    expect("merged", found(spark.table(table)), MERGED)
    spark.sql(f"UPDATE {table} SET b = 'q' WHERE a = 1")
    spark.sql(f"DELETE FROM {table} WHERE a = 3")
    expect("updated and deleted", found(spark.table(table)), [(1, "q"), (2, "z")])
    expect("time travel", found(spark.sql(f"SELECT * FROM {table} VERSION AS OF {first}")), ROWS)
    spark.sql("CALL lake.system.rewrite_data_files(table => 'checks.rows', options => map('rewrite-all', 'true'))")
    expect("compacted", found(spark.table(table)), [(1, "q"), (2, "z")])
    return "merges, travels in time, compacts"


def delta(spark: Any, place: str) -> str:
    """Do what SQL of Delta can: merge, update, delete, time travel, compaction."""
    table = f"delta.`{place}/delta`"
    spark.createDataFrame(ROWS, ["a", "b"]).write.format("delta").mode("overwrite").save(f"{place}/delta")
    first = spark.sql(f"DESCRIBE HISTORY {table}").agg({"version": "max"}).collect()[0][0]
    merge(spark, table)
    expect("merged", found(spark.read.format("delta").load(f"{place}/delta")), MERGED)
    spark.sql(f"UPDATE {table} SET b = 'q' WHERE a = 1")
    spark.sql(f"DELETE FROM {table} WHERE a = 3")
    spark.sql(f"OPTIMIZE {table}")
    expect("compacted", found(spark.sql(f"SELECT * FROM {table}")), [(1, "q"), (2, "z")])
    then = spark.read.format("delta").option("versionAsOf", first).load(f"{place}/delta")
    expect("time travel", found(then), ROWS)
    return "merges, travels in time, compacts"


def hudi(spark: Any, place: str) -> str:
    """Do what SQL of Hudi can: merge, update, delete."""
    spark.sql(
        f"CREATE TABLE rows (a INT, b STRING) USING hudi TBLPROPERTIES (primaryKey = 'a') LOCATION '{place}/hudi'"
    )
    spark.sql("INSERT INTO rows VALUES (1, 'x'), (2, 'y')")
    merge(spark, "rows")
    expect("merged", found(spark.table("rows")), MERGED)
    spark.sql("UPDATE rows SET b = 'q' WHERE a = 1")
    spark.sql("DELETE FROM rows WHERE a = 3")
    expect("updated and deleted", found(spark.table("rows")), [(1, "q"), (2, "z")])
    return "merges, updates, deletes"


def loads(*classes: str) -> Callable[[Any, str], str]:
    """Return a check that only loads classes, for what has no server here."""

    def check(spark: Any, _place: str) -> str:
        jvm = spark._jvm
        loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
        for name in classes:
            jvm.java.lang.Class.forName(name, True, loader)
        return "loads"

    return check


def file_system(scheme: str) -> Callable[[Any, str], str]:
    """Return a check that loads what Hadoop takes for a scheme."""

    def check(spark: Any, _place: str) -> str:
        conf = spark.sparkContext._jsc.hadoopConfiguration()
        spark._jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass(scheme, conf)
        return "loads"

    return check


def kafka(spark: Any, place: str) -> str:
    """Write to a topic, stream it into another, and read that."""
    server, topic = {"kafka.bootstrap.servers": os.environ["CHECKS_KAFKA"]}, f"checks-{uuid.uuid4().hex}"
    rows = spark.range(100).selectExpr("CAST(id AS STRING) AS value")
    rows.write.format("kafka").options(**server, topic=topic).save()
    source = spark.readStream.format("kafka").options(**server, subscribe=topic, startingOffsets="earliest").load()
    sink = source.selectExpr("concat('seen ', CAST(value AS STRING)) AS value").writeStream.format("kafka")
    sink = sink.options(**server, topic=f"{topic}-seen", checkpointLocation=f"{place}/{topic}")
    sink.trigger(availableNow=True).start().awaitTermination()
    seen = spark.read.format("kafka").options(**server, subscribe=f"{topic}-seen").load()
    texts = {str(row[0]) for row in seen.selectExpr("CAST(value AS STRING)").collect()}
    expect("what was streamed", texts, {f"seen {number}" for number in range(100)})
    return "streams, checkpoints on S3"


def postgres(spark: Any, place: str) -> str:
    """Write a table, append to it, and read it by several connections; without a server, load the driver."""
    url = os.environ.get("CHECKS_POSTGRES")
    if not url:
        return loads("org.postgresql.Driver")(spark, place)
    frame = spark.createDataFrame(ROWS, ["a", "b"])
    about = {"url": url, "dbtable": f"checks_{uuid.uuid4().hex}", "driver": "org.postgresql.Driver"}
    frame.write.format("jdbc").options(**about).save()
    frame.write.format("jdbc").options(**about).mode("append").save()
    parts = {"partitionColumn": "a", "lowerBound": "1", "upperBound": "2", "numPartitions": "2"}
    expect("the table", found(spark.read.format("jdbc").options(**about, **parts).load()), sorted(ROWS * 2))
    return "writes and reads"


def xgboost(spark: Any, _place: str) -> str:
    """Train a classifier of what one number divides, and have it predict that."""
    from pyspark.ml.feature import VectorAssembler

    rows = spark.range(200).selectExpr("CAST(id AS DOUBLE) AS x", "CAST(id >= 100 AS DOUBLE) AS label")
    frame = VectorAssembler(inputCols=["x"], outputCol="features").transform(rows)
    trainer = spark._jvm.ml.dmlc.xgboost4j.scala.spark.XGBoostClassifier()
    model = trainer.setLabelCol("label").setFeaturesCol("features").setNumRound(5).setNumWorkers(1).fit(frame._jdf)
    expect("wrong predictions", model.transform(frame._jdf).where("prediction != label").count(), 0)
    return "trains and predicts"


CHECKS: dict[str, Callable[[Any, str], str]] = {
    "s3": s3,
    "iceberg": iceberg,
    "delta": delta,
    "hudi": hudi,
    "kafka": kafka,
    "postgres": postgres,
    "xgboost": xgboost,
    "gcs": file_system("gs"),
    "azure": file_system("abfss"),
    "aws-glue": loads("software.amazon.awssdk.services.glue.GlueClient", "org.apache.iceberg.aws.glue.GlueCatalog"),
}


def main() -> None:
    """Check each set that is named; exit with 1 if one fails."""
    from pyspark.sql import SparkSession

    names, place = sys.argv[1].split(","), sys.argv[2]
    spark, failed = SparkSession.builder.getOrCreate(), False
    for name in names:
        try:
            said = CHECKS[name](spark, place)
        except Exception as error:  # whatever a jar throws is the finding
            lines = str(error).splitlines()  # py4j's first one says nothing
            why = next((line for line in lines if "Exception" in line or "Error" in line), lines[0])
            failed, said = True, f"fails: {why[:200]}"
        print(f"set {name} {said}", flush=True)
    spark.stop()
    sys.exit(failed)


if __name__ == "__main__":
    main()
