# The beginning of every daemon's script: a directory for everything that is written, and the cgroups that are seen.
# Arguments: that directory; pure-v2 or host.
set -eu
dir=$1 cgroups=$2
if [ "$cgroups" = pure-v2 ]; then
    # Wherever somebody mounted some, and then what they were mounted in.
    for at in $(awk '/ - cgroup2? / { print $5 }' /proc/self/mountinfo); do umount "$at"; done
    umount --recursive /sys/fs/cgroup 2>/dev/null || true
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
# Ctrl-C reaches this shell as well as the test, and must not end it before it has cleaned up.
trap : INT TERM HUP

# What was left mounted below the directory, the last on top of the first, and the directory.
remove_all() {
    for at in $(awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac); do umount "$at" || true; done
    rm -rf "$dir"
}
