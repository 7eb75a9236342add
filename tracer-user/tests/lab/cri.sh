# Runs a containerd with its CRI plugin until stdin closes, in the mount namespace it is started in. cgroups.sh comes
# first. Each line of stdin is an order: `stop` ends containerd alone, `start` starts it again; `upgrade DIRECTORY` says
# where the programs are that `start` starts from now on; `cgroup PATH` says that a pod has that cgroup, `no-cgroup PATH`
# that it is to be removed.

# A sandbox has a CPU weight, and where v1 has the CPU controller, v2 has none: runc is given the sandbox without it.
runc=$(command -v runc)
if [ "$cgroups" = pure-v2 ] && ! grep -qw cpu /sys/fs/cgroup/cgroup.controllers; then
    mkdir "$dir/bin"
    cat >"$dir/bin/runc" <<'END'
#!/bin/sh
for word; do
    if [ "$last" = --bundle ]; then sed -i 's/"cpu":{"shares":2}/"cpu":{}/' "$word/config.json"; fi
    last=$word
done
END
    echo "exec $runc \"\$@\"" >>"$dir/bin/runc"
    chmod +x "$dir/bin/runc"
    runc=$dir/bin/runc
fi

# Nothing of the host's: no network plugins (pods have the host's network), and none of its files or sockets.
# The native snapshotter works on every file system, and the images are next to nothing.
mkdir -p "$dir/cni"
cat >"$dir/containerd.toml" <<END
version = 2
[plugins."io.containerd.internal.v1.opt"]
path = "$dir/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "registry.local/pause:1"
stream_server_port = "0"
disable_apparmor = true
disable_hugetlb_controller = true
tolerate_missing_hugetlb_controller = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$dir/cni"
conf_dir = "$dir/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
BinaryName = "$runc"
END

containerd=
start_containerd() {
    containerd --config "$dir/containerd.toml" --address "$dir/containerd.sock" \
        --root "$dir/containerd" --state "$dir/containerd-state" </dev/null >>"$dir/containerd.log" 2>&1 &
    containerd=$!
    echo "$containerd" >"$dir/containerd.pid"
}
stop_containerd() {
    # A test may have made it hang.
    kill -s CONT "$containerd" 2>/dev/null || true
    kill "$containerd" 2>/dev/null && wait "$containerd" || true
    containerd=
}

# runc makes the cgroups above a container's, and removes the container's alone: the others are kubelet's.
pods=
remove_cgroup() {
    at=$1
    while [ -n "$at" ]; do
        for mount in $(awk '/ - cgroup2? / { print $5 }' /proc/self/mountinfo); do
            # Somebody else's pods may be below the same parents.
            rmdir "$mount$at" 2>/dev/null || true
        done
        at=${at%/*}
    done
}

start_containerd
while read -r order path; do
    case $order in
        start) start_containerd ;;
        stop) stop_containerd ;;
        upgrade) PATH="$path:$PATH" ;;
        cgroup) pods="$pods $path" ;;
        no-cgroup) remove_cgroup "$path" ;;
    esac
done

# Only a containerd that answers removes its containers, and a test may have left it stopped or hanging.
if [ -n "$containerd" ]; then kill -s CONT "$containerd" 2>/dev/null || true; else start_containerd; fi
ctr="ctr --address $dir/containerd.sock --namespace k8s.io"
until $ctr version >/dev/null 2>&1; do
    kill -s 0 "$containerd" 2>/dev/null || break
    sleep 0.1
done
for container in $($ctr tasks ls --quiet || true); do $ctr tasks rm --force "$container" >/dev/null 2>&1 || true; done
for container in $($ctr containers ls --quiet || true); do $ctr containers rm "$container" >/dev/null 2>&1 || true; done
stop_containerd
# The last of them is where containerd puts pods that have no place of their own.
for path in $pods /k8s.io; do remove_cgroup "$path"; done
remove_all
