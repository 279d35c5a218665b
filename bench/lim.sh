#!/bin/bash
# lim.sh MEMORY_MB COMMAND...: runs the command with the share of a processor that Lambda gives a function of that memory:
# MB/1769, in periods of 20 ms. Needs root and version 1 of cgroups; elsewhere it says so and ends with 77.
set -e
group=/sys/fs/cgroup/cpu/lambda-share
mkdir -p "$group" 2>/dev/null && [ -w "$group/cpu.cfs_period_us" ] || { echo "lim.sh: no writable cgroup v1 cpu controller" >&2; exit 77; }
echo 20000 > "$group/cpu.cfs_period_us"
echo $((20000 * $1 / 1769)) > "$group/cpu.cfs_quota_us"
echo $$ > "$group/cgroup.procs"
shift
exec "$@"
