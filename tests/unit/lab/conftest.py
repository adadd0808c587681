"""Makes the package `lab` importable; no test here touches the machine."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
