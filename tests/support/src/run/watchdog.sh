# sh -c SCRIPT watchdog FOLDER: waits until the run's owner is gone, then leaves nothing of the run.
#
# The owner holds the other end of the pipe on stdin, so its end closes it, be it by kill -9. Children that the owner was
# just about to start hold it too until they are programs of their own: nobody is missed.
# Every process of a run carries the mark in its environment, and so does what it starts, also in a session of its own.
trap '' HUP INT TERM
folder=$1
cat >/dev/null
marked() { grep -lszFx "TCR_ASSISTANT_RUN=$folder" /proc/[0-9]*/environ | cut -d/ -f3; }
# The programs that ship show their environment to root alone (harness/undumpable). So what the run has started is written
# down too, each with the time of its start: no other process that has the number since is met. A zombie is gone.
started() {
  while read -r pid start; do
    stat=$(sed 's/.*) //' "/proc/$pid/stat")
    [ "$(echo "$stat" | cut -d' ' -f20)" = "$start" ] && [ "${stat%% *}" != Z ] && echo "$pid"
  done <"$folder/started"
} 2>/dev/null
tries=0
while [ $tries -lt 400 ] && pids=$(marked; started; true) && [ -n "$pids" ]; do
  kill -9 $pids
  tries=$((tries + 1))
  sleep 0.05
done 2>/dev/null
# What containers ran in: cgroups named after the run, which are empty once the last process is gone.
name=${folder##*/}
groups() { for group in "/sys/fs/cgroup/$name" /sys/fs/cgroup/*/"$name"; do [ ! -d "$group" ] || echo "$group"; done; }
tries=0
while [ $tries -lt 200 ] && left=$(groups) && [ -n "$left" ]; do
  find $left -depth -type d -exec rmdir {} ';'
  tries=$((tries + 1))
  [ -z "$(groups)" ] || sleep 0.05
done 2>/dev/null
# Never into something that was mounted there.
rm -rf --one-file-system -- "$folder" || { sleep 0.5; rm -rf --one-file-system -- "$folder"; }
