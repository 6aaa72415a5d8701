#!/bin/sh
# Written by sparkanywhere (java_wrapper.py): starts @java@ for the Spark in @spark_home@.
java='@java@'
modules='@modules@'
jars='@spark_home@/jars'
logging='@logging_jar@'  # Spark's launcher puts this jar before the others
conf="${SPARK_CONF_DIR:-@spark_home@/conf}"
compiler='@compiler@'
collector='@collector@'  # of a small heap
is_small=
archive='@archive@'
listing='@listing@'  # size, time and name of what the archive was made of
[ -f "$archive" ] && [ -f "$listing" ] || archive=
why=      # the archive does not fit this JVM
is_spark=
yield_to() {  # what the user says of compilers, collectors and archives wins
  case $1 in
    *-XX:Flags=*|*-XX:VMOptionsFile=*|@*|*' @'*) compiler= collector= archive= ;;  # files of options
    *-XX:*Tier*|*-XX:CompilationMode=*|*-XX:CompileThreshold*|*-Xint*|*-Xcomp*) compiler= ;;
  esac
  case $1 in
    *-XX:*GC*|*-XX:*G1*) collector= ;;
  esac
  case $1 in
    *-Xshare:*|*-XX:*Shared*|*-XX:*Archive*|*-XX:DumpLoadedClassList=*|*-XX:AOT*) archive= ;;
    *-XX:+UseZGC*|*-XX:-UseCompressed*|*-XX:ObjectAlignmentInBytes=*) why="it has other pointers by $1" ;;
    -Xmx*[gG]) judge_heap "$1" 32 2 ;;
    -Xmx*[mM]) judge_heap "$1" 32768 1408 ;;
  esac
}
judge_heap() {
  heap="${1#-Xmx}" is_small=
  [ "${heap%?}" -ge "$3" ] || is_small=1
  [ "${heap%?}" -lt "$2" ] || why="a heap of 32 GiB and more has other pointers"
}
list_jars() {  # the archive's jars in its order, then those that have come since
  class_path="$logging$jars/*"
  [ "$archive" ] || return
  changed="$(stat -L @format@ "$modules" "$jars"/*.jar 2>/dev/null | grep -vxFf - "$listing" | head -n 1)"
  if [ "$changed" ]; then
    why="${changed#* * } is not what it was"
    return
  fi
  class_path= count=0
  {
    read -r first
    while read -r size time jar; do class_path="$class_path:$jar" count=$((count + 1)); done
  } < "$listing"
  class_path="$logging${class_path#:}"
  set -- "$jars"/*.jar
  [ $# = $count ] || class_path="$class_path:$jars/*"
}
warn_of_silence() {  # Ivy sets no time-out: where a network swallows packets Java waits for minutes without a word
  place="${1#*://}"
  place="${place%%/*}"
  place="${place##*@}"
  case $1 in
    http://*) port=80 ;;
    https://*) port=443 ;;
    *) return ;;
  esac
  case $place in *:*) port="${place##*:}" ;; esac
  ( (  # no child of the JVM's, which would not ask how it ended
    bash -c ': <>"/dev/tcp/$0/$1"' "${place%:*}" "$port" 2>/dev/null &
    left=@tenths@
    while [ $left -gt 0 ]; do
      sleep 0.1
      kill -0 $! 2>/dev/null || exit 0  # it answers, or refuses, which Ivy says itself
      left=$((left - 1))
    done
    kill $! 2>/dev/null
    echo "sparkanywhere: $place, the repository of --packages, does not answer. Spark asks it for minutes all the same." \
      "DEFAULT_ARTIFACT_REPOSITORY is the URL of another one." >&2
  ) & )
}
yield_to "${JAVA_TOOL_OPTIONS:-} ${JDK_JAVA_OPTIONS:-} ${_JAVA_OPTIONS:-}"
before=   # the option that the next word is the value of
program=  # the main class or the jar: the words behind it are not Java's
last= said="${JAVA_TOOL_OPTIONS:-} ${JDK_JAVA_OPTIONS:-} ${_JAVA_OPTIONS:-}"  # of jars to resolve
for argument do
  shift
  case ${program:+program}$before in
    program)
      case $last in
        --properties-file) said="$said $(grep -s '^spark.jars' "$argument" || :)" ;;
      esac
      last=$argument
      ;;
    -cp|-classpath|--class-path)
      before=
      case $argument in
        "$conf":*|"$conf"/:*)
          rest="${argument#"$conf"}"
          rest="${rest#/}"
          argument="${rest#:}:$conf/"
          ;;
      esac
      case $argument in
        "$logging$jars/*"*) argument="${argument#"$logging"}" ;;
      esac
      case $argument in
        "$jars/*"*)
          is_spark=1
          list_jars
          argument="$class_path${argument#"$jars/*"}"
          ;;
        *"$jars/*"*) is_spark=1 why="its class path begins with ${argument%%:*}" ;;
      esac
      ;;
    -*) before= ;;
    *)
      yield_to "$argument"
      case $argument in
        @dropped@
        @valued@) before=$argument ;;
        -*|@*) ;;
        *) program=$argument ;;
      esac
      ;;
  esac
  set -- "$@" "$argument"
done
[ "$is_small" ] || collector=
is_short=
case $program in
  org.apache.spark.launcher.Main) compiler="${compiler:+@quick@}" is_short=1 ;;
esac
case "$program $said $* " in
  *proxyHost*|*spark.jars.ivySettings*) ;;  # it is another server that is asked
  org.apache.spark.deploy.SparkSubmit\ *spark.jars.packages*|org.apache.spark.deploy.SparkSubmit\ *\ --packages\ *)
    warn_of_silence "${DEFAULT_ARTIFACT_REPOSITORY:-@repository@}"
    ;;
esac
case ${archive:+archive}${is_spark:+spark}${why:+why}$is_short in
  archivespark|archivespark1) exec "$java" $compiler $collector "-XX:SharedArchiveFile=$archive" -Xlog:cds=off "$@" ;;
  archivesparkwhy) echo "sparkanywhere: this JVM starts without the archive of Spark's classes: $why" >&2 ;;
esac
exec "$java" $compiler $collector "$@"
