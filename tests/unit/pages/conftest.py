"""Pages without hosts: their Python lies where Ansible's filters look for it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "ansible/plugins/support"), str(ROOT / "roles/maintenance_cron/files")]
