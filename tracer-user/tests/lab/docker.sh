# Runs a containerd and a dockerd until stdin closes, in the mount namespace it is started in.
# Arguments: a directory for everything they write; pure-v2 or host, the cgroups they see.
set -eu
dir=$1 cgroups=$2
if [ "$cgroups" = pure-v2 ]; then
    umount --recursive /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi

# A containerd of its own: one that serves the host would start the containers in the host's mount namespace.
printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >"$dir/containerd.toml"
containerd --config "$dir/containerd.toml" --address "$dir/containerd.sock" \
    --root "$dir/containerd" --state "$dir/containerd-state" </dev/null >"$dir/containerd.log" 2>&1 &
containerd=$!

# Its own configuration file too: the host's may say anything. vfs works on every file system, and the image is empty.
printf '{}' >"$dir/daemon.json"
dockerd --config-file "$dir/daemon.json" --host "unix://$dir/docker.sock" --containerd "$dir/containerd.sock" \
    --data-root "$dir/docker" --exec-root "$dir/docker-exec" --pidfile "$dir/docker.pid" \
    --storage-driver vfs --exec-opt native.cgroupdriver=cgroupfs \
    --bridge none --iptables=false --ip6tables=false </dev/null >"$dir/dockerd.log" 2>&1 &
dockerd=$!

# Ctrl-C reaches this shell as well as the test: the test's end is what counts, not the signal.
trap : INT TERM HUP
cat >/dev/null || true

docker="docker --host unix://$dir/docker.sock"
containers=$($docker ps --all --quiet || true)
# shellcheck disable=SC2086
if [ -n "$containers" ]; then $docker rm --force $containers >/dev/null 2>&1 || true; fi
kill "$dockerd" 2>/dev/null && wait "$dockerd" || true
kill "$containerd" 2>/dev/null && wait "$containerd" || true
umount --recursive "$dir" 2>/dev/null || true
rm -rf "$dir"
