import logging

from django.apps import AppConfig
from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.db.models.expressions import OrderBy
from django.db.models.functions import Collate
from django.db.models.indexes import IndexExpression

logger = logging.getLogger(__name__)


class CommonConfig(AppConfig):
    name = "apps.common"
    verbose_name = "公共组件"

    def ready(self) -> None:
        # No system check: neither WSGI and ASGI nor every command runs those.
        for sentence in settings.UNKNOWN_VARIABLES:
            logger.warning("%s", sentence)
        # As django.contrib.postgres does, which asks each new connection for types that nobody uses here.
        IndexExpression.register_wrappers(OrderBy, OpClass, Collate)
