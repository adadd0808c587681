"""Pages without hosts: their Python lies where Ansible's filters look for it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "ansible/plugins/support"))
