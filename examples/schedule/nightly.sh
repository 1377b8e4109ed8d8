#!/bin/sh
# nightly.sh FOLDER JOB: runs a job of a Meltano project, and prints its log only if it fails, so
# that cron sends a mail about failures alone. Meltano itself refuses a second run beside the first.
set -u
cd "$1" || exit
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! meltano run "$2" > "$log" 2>&1; then
    cat "$log"
    exit 1
fi
