#!/bin/bash
# What a Spark pod runs: `driver ...`, `executor`, or any command as it stands.
# The arguments and variables are Spark's own (resource-managers/kubernetes, Spark 3.5 and 4.x).
set -euo pipefail

# Java and Python want a name and a home for their user; a pod may run as any uid.
if ! whoami >/dev/null 2>&1 && [ -w /etc/passwd ]; then
  echo "${SPARK_USER_NAME:-anonymous}:x:$(id -u):$(id -g):anonymous:${SPARK_HOME}:/bin/false" >> /etc/passwd
fi

# The class path of executors; spark-submit makes the driver's itself, and has HADOOP_CONF_DIR behind the jars, too.
class_path="${SPARK_CLASSPATH:+${SPARK_CLASSPATH}:}${SPARK_HOME}/jars/*"  # of an executor: its extraClassPath
if [ -n "${HADOOP_CONF_DIR:-}" ]; then class_path="${class_path}:${HADOOP_CONF_DIR}"; fi
if [ -n "${SPARK_EXTRA_CLASSPATH:-}" ]; then class_path="${class_path}:${SPARK_EXTRA_CLASSPATH}"; fi
if [ -n "${HADOOP_HOME:-}" ] && [ -z "${SPARK_DIST_CLASSPATH:-}" ]; then
  SPARK_DIST_CLASSPATH="$("${HADOOP_HOME}/bin/hadoop" classpath)"
  export SPARK_DIST_CLASSPATH
fi
if [ -n "${SPARK_CONF_DIR:-}" ]; then
  class_path="${SPARK_CONF_DIR}:${class_path}"
elif [ -d "${SPARK_HOME}/conf" ]; then
  class_path="${SPARK_HOME}/conf:${class_path}"
fi
class_path="${class_path}:${SPARK_DIST_CLASSPATH:-}:${PWD}"

if [ -n "${PYSPARK_PYTHON:-}" ]; then export PYSPARK_PYTHON; fi
if [ -n "${PYSPARK_DRIVER_PYTHON:-}" ]; then export PYSPARK_DRIVER_PYTHON; fi

# Java options come one to a variable, SPARK_JAVA_OPT_0 and on, in the order of their numbers.
java_options() {
  local name
  while IFS= read -r name; do
    [ -n "${name}" ] && printf '%s\0' "${!name}"
  done < <(compgen -e SPARK_JAVA_OPT_ | sort -t _ -k 4 -n)
}

case "${1:-}" in
  driver)
    shift
    command=("${SPARK_HOME}/bin/spark-submit"
      --conf "spark.driver.bindAddress=${SPARK_DRIVER_BIND_ADDRESS}"
      --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=${SPARK_DRIVER_BIND_ADDRESS}"
      --deploy-mode client
      "$@")
    ;;
  executor)
    shift
    mapfile -d '' -t options < <(java_options)
    command=("${JAVA_HOME}/bin/java"
      ${options[@]+"${options[@]}"}
      "-Xms${SPARK_EXECUTOR_MEMORY}" "-Xmx${SPARK_EXECUTOR_MEMORY}"
      -cp "${class_path}"
      org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend
      --driver-url "${SPARK_DRIVER_URL}"
      --executor-id "${SPARK_EXECUTOR_ID}"
      --cores "${SPARK_EXECUTOR_CORES}"
      --app-id "${SPARK_APPLICATION_ID}"
      --hostname "${SPARK_EXECUTOR_POD_IP}"
      --resourceProfileId "${SPARK_RESOURCE_PROFILE_ID:-0}"
      --podName "${SPARK_EXECUTOR_POD_NAME:-}"
      "$@")
    ;;
  *)
    exec "$@"
    ;;
esac

# tini reaps what the JVM's children leave behind, also where it is not PID 1 (-s).
exec /usr/bin/tini -s -- "${command[@]}"
