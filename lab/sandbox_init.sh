#!/bin/bash
# Process 1 of the sandbox: private mounts, processes and network. Its only way out is the socket of the apt cache.
# Arguments: folder of sockets and ids, port of the apt cache and the words that serve podman's API.
set -eu
run=$1 port=$2
shift 2
mount --make-rprivate /
mount -t proc proc /proc
# The namespace is private: this hides the machine's cgroup mounts in here only.
if mountpoint -q /sys/fs/cgroup; then umount -R /sys/fs/cgroup; fi
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/control
echo 1 > /sys/fs/cgroup/control/cgroup.procs
for folder in /run/netns /run/runc /run/containers /run/freelance-podman; do
  mkdir -p "$folder"
  mount -t tmpfs -o mode=755 tmpfs "$folder"
done
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ip link set lo up
socat "TCP-LISTEN:$port,fork,reuseaddr" "UNIX-CONNECT:$run/apt.sock" &
# A child of this process: nothing outside has to collect it before the sandbox can end.
"$@" &
touch "$run/ready"
trap 'exit 0' TERM INT
# Collect what ends in here for ever: orphans of containers become children of process 1.
while :; do sleep 3600 & wait $! || :; done
