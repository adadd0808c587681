from django.apps import AppConfig
from django.core import checks

from apps.common.checks import unknown_variables


class CommonConfig(AppConfig):
    name = "apps.common"
    verbose_name = "公共组件"

    def ready(self) -> None:
        checks.register(unknown_variables)
