#!/bin/bash
# Process 1 of the inner machine: its own /run, network, processes and cgroup tree; the same files and devices.
# Arguments: where cgroup2 is mounted, the group that is to be its root.
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
# Ansible's living SSH connections: those of the machine outside lead to other hosts of the same addresses.
mkdir -p ~/.ansible/freelance-ssh
mount -t tmpfs -o mode=700 tmpfs ~/.ansible/freelance-ssh
mount --bind "$2" "$1"
mkdir -p "$1/self"
echo 1 > "$1/self/cgroup.procs"
ip link set lo up
echo ready
# The worst process 1 there is, and a usual one in containers: it never collects what has ended.
exec sleep infinity
