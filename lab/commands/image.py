"""`lab/run image host|packages`: build an image unless this version of it is there."""

import argparse

from lab import aptcache, image


def main(words: list[str]) -> int:
    """The command line. `tar` builds the host image's file only, which needs no sandbox."""
    parser = argparse.ArgumentParser(prog="lab/run image", description=__doc__)
    parser.add_argument("which", choices=["tar", "host", "packages"])
    given = parser.parse_args(words)
    aptcache.up()
    if given.which == "tar":
        print(image.build())
    else:
        made = image.import_host_image() if given.which == "host" else image.build_packages_layer()
        print("made" if made else "already there")
    return 0
