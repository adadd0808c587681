#!/bin/sh
# mmdebstrap's customize hook. Argument: the root of the image being made. Runs with this folder as working directory.
set -eu
root=$1
cp -r --preserve=mode,timestamps files/. "$root/"
chown -R root:root "$root/etc/sudoers.d" "$root/usr/local/sbin"
chmod 0440 "$root/etc/sudoers.d/ansible"
chmod 0755 "$root"/usr/local/sbin/lab-*
chroot "$root" useradd --create-home --shell /bin/bash ansible
units=$root/etc/systemd/system
# Upgrades are a role's; the others have nothing to do in a container.
for unit in apt-daily.timer apt-daily-upgrade.timer console-getty.service getty@.service \
  systemd-modules-load.service systemd-firstboot.service; do
  ln -sf /dev/null "$units/$unit"
done
# The options of the build, its proxy among them, are not the host's.
rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname"
: > "$root/etc/machine-id"
: > "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
chroot "$root" systemctl enable --quiet lab-first-boot.service lab-sysctl.service
