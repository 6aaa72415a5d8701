#!/bin/bash
# Starts the runtime that streams. Lambda gives the command of its own: an interpreter, and what it is to run.
export PYTHONPATH="$LAMBDA_TASK_ROOT:$PYTHONPATH"
module="${0#"$LAMBDA_TASK_ROOT"/}" # the wheel has it in a package of another name
module="${module%.sh}"
exec "${@:1:$#-1}" -m "${module//\//.}"
