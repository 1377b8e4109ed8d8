#!/bin/sh
# nightly.sh FOLDER JOB [ENVIRONMENT]: runs a job of a Meltano project, in its environment
# `production` if no other is named, and prints its log only if it fails, so that cron sends a mail
# about failures alone. Meltano itself refuses a second run beside the first.
set -u
cd "$1" || exit
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! meltano --environment="${3:-production}" run "$2" > "$log" 2>&1; then
    cat "$log"
    exit 1
fi
