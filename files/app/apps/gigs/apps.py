from django.apps import AppConfig


class GigsConfig(AppConfig):
    name = "apps.gigs"
    verbose_name = "服务"
