# A node that is a container: runs a containerd and a dockerd in a privileged container until it is told to end.
# Arguments: the directory with daemon.json, which is not ours to write to.
set -eu
config=$1 dir=/run/node
mkdir "$dir"
if [ -e /sys/fs/cgroup/cgroup.procs ]; then
    # As the entry points of docker:dind and kind do it: with processes in it, a cgroup of v2 gives no controllers to
    # those below it.
    mkdir /sys/fs/cgroup/init
    echo 0 >/sys/fs/cgroup/init/cgroup.procs
fi
printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >"$dir/containerd.toml"
containerd --config "$dir/containerd.toml" --address "$dir/containerd.sock" \
    --root "$dir/containerd" --state "$dir/containerd-state" </dev/null >"$dir/containerd.log" 2>&1 &
dockerd --config-file "$config/daemon.json" --default-runtime lab --host "unix://$dir/docker.sock" \
    --containerd "$dir/containerd.sock" --data-root "$dir/docker" --exec-root "$dir/docker-exec" \
    --pidfile "$dir/docker.pid" --storage-driver vfs --exec-opt native.cgroupdriver=cgroupfs \
    --bridge none --iptables=false --ip6tables=false </dev/null >"$dir/dockerd.log" 2>&1 &
trap 'exit 0' TERM
while :; do sleep 1000 & wait $!; done
