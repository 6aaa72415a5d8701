#!/bin/bash
# Runs in an executor's container before it is stopped, where spark.decommission.enabled is set: tells the
# executor to hand its blocks over, and waits until it has ended. The pod's grace period bounds the wait.
set -eu

SECONDS_TO_WAIT="${SPARK_DECOMMISSION_SECONDS:-600}" # no pod has a longer grace by default

executor=$(pgrep -o -f 'java .*ExecutorBackend' || true)
if [ -z "${executor}" ]; then
  echo "No executor runs here." >&2
  exit 0
fi
echo "Telling the executor, process ${executor}, to decommission itself."
kill -s PWR "${executor}"
timeout "${SECONDS_TO_WAIT}" tail --pid="${executor}" -f /dev/null
sleep 1 # for its last words to reach the log
