"""Start the plugin: Pulumi reads the port from standard output."""

import sys

from lab.provider.server import serve

serve(sys.argv[1:])
