"""The system check of the environment: what a release does not know does not keep it from starting, and is told."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004 (Django's name)


def unknown_variables(**kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 (Django's signature)
    """Return a warning for each variable that looks like one of ours."""
    return [Warning(sentence, id="common.W001") for sentence in settings.UNKNOWN_VARIABLES]
