#!/bin/busybox sh
# The init of the test machines: mounts what a real system has, runs the scripts in /checks, says on the console
# what each one printed and how it ended, and switches the machine off.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TERM=dumb WORK=/tmp LC_ALL=C.UTF-8
. /settings
export SERIES CGROUP_VERSION
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mkdir -p /sys/fs/bpf && mount -t bpf bpf /sys/fs/bpf
if [ "$CGROUP_VERSION" = 2 ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
    mount -t tmpfs cgroup /sys/fs/cgroup
    # As systemd does it: a hierarchy for each controller, and one of its own without any.
    for controller in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
        mkdir "/sys/fs/cgroup/$controller"
        mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
    done
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi

for check in /checks/*; do
    name=${check#/checks/???-}
    echo "@@begin $name"
    sh "$check" </dev/null 2>&1
    code=$?
    # On a line of its own, even if the output does not end with one.
    echo
    echo "@@end $name $code"
done
# What was recorded, and what was told live, for whoever compares them outside.
for file in /tmp/*.rec /tmp/*.json; do
    [ -e "$file" ] || continue
    echo "@@file ${file#/tmp/}"
    gzip -c "$file" | base64
    echo "@@file-end"
done
# Warnings are too quiet for the console, and are looked for in it.
dmesg
echo "@@done"
poweroff -f
