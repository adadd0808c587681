"""Who acts in a request: the person who is logged in, in every query of it."""

from collections.abc import Callable
from http import HTTPStatus

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.common.freshness import note_own_writes, wait_for_own_writes
from apps.common.identity import request_as
from config.router import LEADER, all_on, fresh_reader, has_written


class IdentityMiddleware:
    """Runs the view in a transaction of the person; without one who is logged in, of nobody.

    It comes after the middleware that knows the person. What the view raises, or a response that says the server
    failed, leaves nothing written. A streamed response is made after the transaction, as nobody.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with fresh_reader():
            # A replica may have the password of before, and Django would end the session for it.
            with all_on(LEADER):
                person = request.user.pk if request.user.is_authenticated else None
            with request_as(person):
                wait_for_own_writes(request)
                response = self.get_response(request)
                if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    transaction.set_rollback(True, using=LEADER)
            if has_written():
                note_own_writes(response)
        return response

    @staticmethod
    def process_exception(request: HttpRequest, exception: Exception) -> None:  # noqa: ARG004 (Django's signature)
        """Undo: Django makes a response of the exception before the transaction would see it."""
        transaction.set_rollback(True, using=LEADER)
