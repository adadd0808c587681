"""Ports that the internet agreed on. Source: IANA, "Service Name and Transport Protocol Port Number Registry"."""

SSH = 22
HTTP = 80
HTTPS = 443
WEB = {"http": HTTP, "https": HTTPS}
