"""Logging in while nobody is anybody yet: how an account is found, and from when on its person acts."""

import re
from typing import Any
from uuid import UUID

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import update_last_login
from django.db import connections, router
from django.http import HttpRequest

from apps.accounts.models import User, UserPrivate
from apps.common.encryption.fields import candidates
from apps.common.identity import acting_as, go_on_as

# Blind index of a contact by its kind.
INDEXES = {"phone": "phone_number_index", "email": "email_index"}

# As people write it.
MOBILE = re.compile(r"(?:\+|00)?(?:86)?(1[3-9][0-9]{9})")
# No account has it (accounts_user_username_is_no_contact). A contact that is not found is never asked for as a user
# name: the statement, and with it the server's log, would hold it in clear.
OF_NOBODY = "@"


def contact_of(name: str) -> tuple[str, str] | None:
    """Return kind and value by which `account_of_contact` looks for it; None for what is a user name.

    The database compares their blind indexes. A mobile number of mainland China needs no country code.
    """
    name = User.normalize_username(name).strip()
    number = re.sub(r"[\s-]", "", name)
    if mobile := MOBILE.fullmatch(number):
        return "phone", f"+86{mobile[1]}"
    if name.startswith("+"):
        return "phone", number
    return ("email", name) if "@" in name else None


class AccountBackend(ModelBackend):
    """Takes a user name, or a verified phone number (E.164) or e-mail address in its place.

    Who is unknown and who gives a wrong password get the same answer, after the same work.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if username is not None and (contact := contact_of(username)):
            username = _username_of(*contact) or OF_NOBODY
        found = super().authenticate(request, username=username, password=password, **kwargs)
        return found if isinstance(found, User) else None


def _username_of(kind: str, value: str) -> str | None:
    with connections[router.db_for_read(User)].cursor() as cursor:
        cursor.execute(
            "SELECT username FROM accounts_user WHERE id = account_of_contact(%s, %s::bytea[])",
            [kind, candidates(UserPrivate, INDEXES[kind], value)],
        )
        row = cursor.fetchone()
    return str(row[0]) if row else None


def confirm_contact(user_id: UUID, kind: str, value: str) -> bool:
    """Note that the person was reached at this phone number or e-mail address. By the platform.

    Returns False where it is not their contact any more.
    """
    with connections[router.db_for_write(UserPrivate)].cursor() as cursor:
        cursor.execute(
            "SELECT confirm_contact(%s, %s, %s::bytea[])",
            [user_id, kind, candidates(UserPrivate, INDEXES[kind], value)],
        )
        return bool(cursor.fetchone()[0])


def begin(sender: type[User], user: User, **kwargs: Any) -> None:
    """Act as the person from here on: an account is changed by nobody else, the time of its last log-in included."""
    go_on_as(user.pk)
    with acting_as(user.pk, using=router.db_for_write(User)):
        update_last_login(sender, user, **kwargs)


def end(**kwargs: Any) -> None:  # noqa: ARG001 (a signal's receiver)
    """Be nobody for the rest of the request."""
    go_on_as(None)
