"""What `logs --errors` prints of a log."""

from __future__ import annotations

from sparkanywhere.cli.log_errors import LONGEST_LOG_BYTES, error_lines

ERROR = b"26/11/30 00:00:00 ERROR A: no disk\n"


def test_each_error_is_printed_once_with_its_count() -> None:
    log = [ERROR[:10], ERROR[10:], b"mine\n", ERROR, b"Error: no class\n"]

    assert list(error_lines(log, {})) == [ERROR.decode().strip(), "(2 times)", "", "Error: no class"]


def test_a_log_without_errors_says_so() -> None:
    assert list(error_lines([b"fine\n"], {})) == ["Its log holds no errors."]


def test_of_a_very_long_log_the_end_is_looked_at() -> None:
    filler = b"x" * (LONGEST_LOG_BYTES // 2) + b"\n"

    assert list(error_lines([b"Error: first\n", filler, filler, ERROR], {})) == [ERROR.decode().strip()]
