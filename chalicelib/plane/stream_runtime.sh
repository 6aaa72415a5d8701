#!/bin/bash
# Starts the runtime that streams. Lambda gives the command of its own: an interpreter, and what it is to run.
export PYTHONPATH="$LAMBDA_TASK_ROOT:$PYTHONPATH"
exec "${@:1:$#-1}" -m chalicelib.plane.stream_runtime
