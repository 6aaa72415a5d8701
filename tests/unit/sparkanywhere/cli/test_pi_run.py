"""The settings of `make pi`."""

from __future__ import annotations

import pytest

from sparkanywhere.cli.pi_run import short_job
from sparkanywhere.spark.spark_submit import SPARK_PI, Program


@pytest.mark.parametrize(
    ("main_class", "args", "is_short"),
    [
        (SPARK_PI, ("100",), True),
        (SPARK_PI, ("5000",), True),
        (SPARK_PI, (), True),
        (SPARK_PI, ("5001",), False),
        (SPARK_PI, ("100", "-x"), False),
        ("com.example.Main", ("100",), False),
        ("", (), False),
    ],
)
def test_only_a_job_that_is_known_to_be_short_does_without_the_slow_compiler(
    main_class: str, args: tuple[str, ...], is_short: bool
) -> None:
    found = short_job(Program("job", "local:///a.jar", main_class, args))

    roles = ["spark.driver.defaultJavaOptions", "spark.executor.defaultJavaOptions"]
    assert sorted(found) == (roles if is_short else [])
    assert set(found.values()) <= {"-XX:TieredStopAtLevel=1"}
