"""The policy pack as the engine starts it: `pulumi preview --policy-pack pulumi/policy`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this folder is the package `policy`

from policy import pack

pack.serve()
