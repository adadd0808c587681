"""The drills are a package of the repository's root; contracts are looked at by the program's own rules."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "pulumi")]
