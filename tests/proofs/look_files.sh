# shellcheck shell=bash
# The files of a host, as lines of text; runs on any host as root, and any part that fails fails it all.
# Everything below /etc and /usr/local, whoever wrote it: content, owner, mode, target of links. A name that ends with a
# dash is the copy that tools like usermod keep of the file before.
find /etc /usr/local ! -type d ! -type l ! -name .pwd.lock ! -name '*-' -exec sha256sum {} + | sort -k2
find /etc /usr/local ! -name .pwd.lock ! -name '*-' -printf '%p %U:%G %m %l\n' | sort
