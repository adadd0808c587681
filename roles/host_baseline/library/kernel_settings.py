#!/usr/bin/python3
"""Compare the running kernel's settings with the declared ones and set those that differ."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: kernel_settings
short_description: Live kernel settings
options:
  settings: {type: dict, required: true, description: Value by sysctl name. Keeping them over a reboot is not its task.}
"""
RETURN = """
differences: {type: dict, description: Found value by name where it differed., returned: always}
"""


def path_of(name: str) -> Path:
    """Return the setting's file."""
    return Path("/proc/sys") / name.replace(".", "/")


def normal(value: str) -> str:
    """Blanks and tabs between the numbers of one setting mean the same."""
    return " ".join(str(value).split())


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={"settings": {"type": "dict", "required": True}}, supports_check_mode=True)
    wanted = {name: normal(value) for name, value in module.params["settings"].items()}
    unknown = sorted(name for name in wanted if not path_of(name).exists())
    if unknown:
        module.fail_json(
            msg=f"nothing was changed: this kernel has no setting {', '.join(unknown)}; correct host_baseline_sysctl"
        )
    found = {name: normal(path_of(name).read_text()) for name in wanted}
    differences = {name: found[name] for name in wanted if found[name] != wanted[name]}
    if not module.check_mode:
        for name in differences:
            try:
                path_of(name).write_text(wanted[name])
            except OSError as error:
                module.fail_json(msg=f"{name} = {wanted[name]}: the kernel refuses it ({error.strerror}); correct it")
            now = normal(path_of(name).read_text())
            if now != wanted[name]:
                # Huge pages, for one: the kernel gives as many as it finds free and contiguous.
                module.fail_json(
                    msg=f"{name} is {now} after setting it to {wanted[name]}: "
                    "free memory is too small or too scattered; reboot the host or declare less"
                )
    module.exit_json(changed=bool(differences), differences=differences)


if __name__ == "__main__":
    main()
