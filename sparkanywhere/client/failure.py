"""What ends a command with one sentence."""

from __future__ import annotations


class Failure(Exception):
    """Something that a user can mend or has to know; str() is the sentence, `exit_code` the command's."""

    exit_code = 1
