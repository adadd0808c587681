import logging

from django.apps import AppConfig
from django.conf import settings

logger = logging.getLogger(__name__)


class CommonConfig(AppConfig):
    name = "apps.common"
    verbose_name = "公共组件"

    def ready(self) -> None:
        # No system check: neither WSGI and ASGI nor every command runs those.
        for sentence in settings.UNKNOWN_VARIABLES:
            logger.warning("%s", sentence)
