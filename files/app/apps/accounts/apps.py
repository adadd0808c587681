from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    verbose_name = "账户"

    def ready(self) -> None:
        from apps.accounts import login  # noqa: PLC0415 (models are loaded by now)

        # Django's own receiver writes before the person acts, which changes no row.
        user_logged_in.disconnect(dispatch_uid="update_last_login")
        user_logged_in.connect(login.begin, dispatch_uid="accounts.begin")
        user_logged_out.connect(login.end, dispatch_uid="accounts.end")
