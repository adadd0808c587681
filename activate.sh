# shellcheck shell=bash
# Makes the bare commands work from this shell: `source activate.sh` (bash or zsh; direnv does it by .envrc).
# May be sourced again at any time. A backend, Pulumi's home and passphrase, Ansible's settings and a language that were
# set before stay as they are: production's, for example. CONTAINER_HOST is the lab's in any case.

if [ -n "${ZSH_VERSION:-}" ]; then
  # shellcheck disable=SC2296  # zsh's own way to say "this file"; bash never reads it
  eval '_freelance_file=${(%):-%x}'
else
  _freelance_file=${BASH_SOURCE[0]}
fi
_freelance_root=$(CDPATH='' cd -- "$(dirname -- "$_freelance_file")" && pwd)

if [ -n "${FREELANCE_ROOT:-}" ] && [ "$FREELANCE_ROOT" != "$_freelance_root" ]; then
  # Another clone was active in this shell: its settings are not ours.
  unset PULUMI_BACKEND_URL PULUMI_HOME PULUMI_CONFIG_PASSPHRASE_FILE ANSIBLE_CONFIG
fi
export FREELANCE_ROOT=$_freelance_root

_freelance_prepend() {
  case ":$PATH:" in
    *":$1:"*) ;;
    *) PATH=$1:$PATH ;;
  esac
}
# podman, losetup and nft lie in sbin, which is not on everybody's PATH.
case ":$PATH:" in
  *:/usr/sbin:*) ;;
  *) PATH=$PATH:/usr/sbin:/sbin ;;
esac
_freelance_prepend "$FREELANCE_ROOT/.venv/bin"
# Empty where an official engine is on PATH, or where none was built yet.
_freelance_engine=$("$FREELANCE_ROOT/lab/engine/build" --path)
if [ -n "$_freelance_engine" ]; then
  # Our engine brings its own language host; it must not find half of another one, nor look for plugins elsewhere.
  _freelance_prepend "$_freelance_engine"
  export PULUMI_IGNORE_AMBIENT_PLUGINS=1 PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true
fi
export PATH

# The lab's state, key and podman. Names and meaning: Pulumi's and podman's own manuals. Anything but the lab sets its own
# PULUMI_BACKEND_URL and secrets provider first: the lab's passphrase is published.
export PULUMI_BACKEND_URL=${PULUMI_BACKEND_URL:-file://$FREELANCE_ROOT/.lab/state}
export PULUMI_HOME=${PULUMI_HOME:-$FREELANCE_ROOT/.lab/pulumi-home}
export PULUMI_CONFIG_PASSPHRASE_FILE=${PULUMI_CONFIG_PASSPHRASE_FILE:-$FREELANCE_ROOT/.lab/passphrase}
export PULUMI_SKIP_UPDATE_CHECK=true
export CONTAINER_HOST=unix:///run/freelance-lab/podman.sock
export ANSIBLE_CONFIG=${ANSIBLE_CONFIG:-$FREELANCE_ROOT/ansible.cfg}
# Ansible refuses to work without UTF-8.
export LANG=${LANG:-C.UTF-8}

unset -f _freelance_prepend
unset _freelance_root _freelance_file _freelance_engine
