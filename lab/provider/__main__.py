"""Start the plugin: Pulumi reads the port from standard output. Arguments: the engine's process, then its own words."""

import sys

from lab.provider import parent

parent.end_with(int(sys.argv[1]))

from lab.provider.server import serve  # noqa: E402 - takes a second, in which the engine may end

serve(sys.argv[2:])
