"""Who acts in a request: the person who is logged in, in every query of it."""

from collections.abc import Callable
from http import HTTPStatus

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.common.identity import request_as
from config.router import LEADER


class IdentityMiddleware:
    """Runs the view in a transaction of the person; without one who is logged in, of nobody.

    It comes after the middleware that knows the person. What the view raises, or a response that says the server
    failed, leaves nothing written. A streamed response is made after the transaction, as nobody.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        person = request.user.pk if request.user.is_authenticated else None
        with request_as(person):
            response = self.get_response(request)
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                transaction.set_rollback(True, using=LEADER)
        return response

    @staticmethod
    def process_exception(request: HttpRequest, exception: Exception) -> None:  # noqa: ARG004 (Django's signature)
        """Undo: Django makes a response of the exception before the transaction would see it."""
        transaction.set_rollback(True, using=LEADER)
