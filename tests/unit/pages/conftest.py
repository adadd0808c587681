"""Pages without hosts: their Python lies where Ansible's filters look for it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ROLES = ("backup_cron", "job_runner", "maintenance_cron")
sys.path[:0] = [str(ROOT / "ansible/plugins/support"), *(str(ROOT / f"roles/{role}/files") for role in ROLES)]
