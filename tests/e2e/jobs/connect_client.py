"""A Spark Connect client: reads the URL from its input, once all is imported, then what to do; answers a line each."""

import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.connect.proto import base_pb2
from pyspark.sql.connect.session import SparkSession as _Imported  # noqa: F401  # before the URL is asked for
from pyspark.sql.functions import lit, udf


def waits(_id: int, folder: str) -> bool:
    """Say in a folder that the query runs, and wait there until it may end."""
    Path(folder, "runs").touch()
    while not Path(folder, "may-end").exists():
        time.sleep(0.1)
    return True


session = SparkSession.builder.remote(sys.stdin.readline().strip()).getOrCreate()
for line in sys.stdin:
    what = line.strip()
    if what == "sum":
        print("the sum is", session.range(1000).repartition(4).selectExpr("sum(id)").collect()[0][0], flush=True)
    elif what == "python":
        doubled = udf(lambda number: 2 * number, "long")("id")
        print([row[0] for row in session.range(3).select(doubled).collect()], flush=True)
    elif what == "keep":
        session.range(3).createOrReplaceTempView("kept")
        print(session.client._session_id, flush=True)
    elif what == "users":
        calls = base_pb2.DESCRIPTOR.services_by_name["SparkConnectService"].methods
        print({call.input_type.fields_by_name["user_context"].number for call in calls}, flush=True)
    elif what == "look":
        print("kept" if session.catalog.tableExists("kept") else "nothing", flush=True)
    elif what.startswith("wait "):
        waiting = udf(waits, "boolean")("id", lit(what[5:]))
        print("went on" if session.range(1).select(waiting).collect()[0][0] else "", flush=True)
session.stop()  # else what Spark keeps of its queries counts as use for minutes
