# Runs Podman's API service until stdin closes, in the mount namespace it is started in. cgroups.sh comes first.
# Containers need no service: whoever runs the command that makes them is their daemon's parent.

# Root in a sandbox may neither raise its limits, nor is there a pids controller in v2 where v1 has it.
cat >"$dir/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
END
export CONTAINERS_CONF="$dir/containers.conf"
podman="podman --root $dir/storage --runroot $dir/run --tmpdir $dir/libpod --storage-driver vfs --network-config-dir $dir/net"
$podman system service --time 0 "unix://$dir/podman.sock" </dev/null >"$dir/podman.log" 2>&1 &
service=$!

# Until the test ends.
cat >/dev/null

$podman pod rm --force --all --time 0 >/dev/null 2>&1 || true
$podman rm --force --all --time 0 >/dev/null 2>&1 || true
kill "$service" 2>/dev/null && wait "$service" || true
# Podman leaves these; those of somebody else's containers are not empty.
for mount in $(awk '/ - cgroup2? / { print $5 }' /proc/self/mountinfo); do
    for cgroup in "$mount"/libpod_parent/*/ "$mount/libpod_parent"; do rmdir "$cgroup" 2>/dev/null || true; done
done
remove_all
