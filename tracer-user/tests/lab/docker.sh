# Runs a containerd and a dockerd until stdin closes, in the mount namespace it is started in. cgroups.sh comes first.
# Each line of stdin is an order: `stop` ends dockerd alone, `start` starts it again.

# A containerd of its own: one that serves the host would start the containers in the host's mount namespace.
printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >"$dir/containerd.toml"
containerd --config "$dir/containerd.toml" --address "$dir/containerd.sock" \
    --root "$dir/containerd" --state "$dir/containerd-state" </dev/null >"$dir/containerd.log" 2>&1 &
containerd=$!

# Its own configuration file too: the host's may say anything. vfs works on every file system, and the image is empty.
# With live-restore, stopping dockerd stops no containers.
printf '{}' >"$dir/daemon.json"
start_dockerd() {
    dockerd --config-file "$dir/daemon.json" --host "unix://$dir/docker.sock" --containerd "$dir/containerd.sock" \
        --data-root "$dir/docker" --exec-root "$dir/docker-exec" --pidfile "$dir/docker.pid" \
        --storage-driver vfs --exec-opt native.cgroupdriver=cgroupfs --live-restore \
        --bridge none --iptables=false --ip6tables=false </dev/null >>"$dir/dockerd.log" 2>&1 &
    dockerd=$!
}
stop_dockerd() {
    # A test may have made it hang.
    kill -s CONT "$dockerd" 2>/dev/null || true
    kill "$dockerd" 2>/dev/null && wait "$dockerd" || true
    dockerd=
}
start_dockerd

while read -r order; do
    case $order in
        start) start_dockerd ;;
        stop) stop_dockerd ;;
    esac
done

# Only a dockerd that answers removes its containers, and a test may have left it stopped or hanging.
if [ -n "$dockerd" ]; then kill -s CONT "$dockerd" 2>/dev/null || true; else start_dockerd; fi
docker="docker --host unix://$dir/docker.sock"
until $docker version >/dev/null 2>&1; do
    kill -s 0 "$dockerd" 2>/dev/null || break
    sleep 0.1
done
containers=$($docker ps --all --quiet || true)
# shellcheck disable=SC2086
if [ -n "$containers" ]; then $docker rm --force $containers >/dev/null 2>&1 || true; fi
stop_dockerd
kill "$containerd" 2>/dev/null && wait "$containerd" || true
# dockerd leaves its data-root mounted after a live-restore.
remove_all
