"""Print as JSON what the program was given: arguments, settings, variables, and files on driver and executors."""

import importlib
import json
import os
import sys
from pathlib import Path

from pyspark import SparkFiles
from pyspark.sql import SparkSession

modules = json.loads(os.environ.get("MODULES", "[]"))
names = json.loads(os.environ.get("FILE_NAMES", "[]"))
spark = SparkSession.builder.getOrCreate()


def files(_: int = 0) -> dict[str, str]:
    """Return what the files hold, or why they cannot be read."""
    found = {}
    for name in names:
        try:
            found[name] = Path(SparkFiles.get(name)).read_text(encoding="utf-8")
        except OSError as error:
            found[name] = repr(error)
    return found


def imported(_: int = 0) -> list[str]:
    """Return what the modules are called by themselves."""
    return [importlib.import_module(name).NAME for name in modules]


def variables(_: int = 0) -> dict[str, str]:
    """Return the variables of the test."""
    return {name: value for name, value in os.environ.items() if name.startswith("TEXT_")}


tasks = spark.sparkContext.parallelize(range(2), 2)
said = {
    "args": sys.argv[1:],
    "name": spark.sparkContext.appName,
    "conf": {key: value for key, value in spark.sparkContext.getConf().getAll() if key.startswith("spark.text.")},
    "env": variables(),
    "executor env": tasks.map(variables).first(),
    "files": files(),
    "executor files": tasks.map(files).first(),
    "modules": imported(),
    "executor modules": tasks.map(imported).first(),
}
print("SAID " + json.dumps(said, sort_keys=True), flush=True)
spark.stop()
