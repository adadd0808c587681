"""A review, a report of one and an invitation to it are dated by the database."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

from django.db import migrations

from apps.common.parties import Parties

BEFORE: Sequence[Parties] = (
    *import_module("apps.reviews.migrations.0014_who_writes_a_review").PARTIES,
    *import_module("apps.reviews.migrations.0018_reports_by_no_party").PARTIES,
    *import_module("apps.reviews.migrations.0021_invitations_are_answered").PARTIES,
)
PARTIES = tuple(replace(before, dated=True) for before in BEFORE)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0021_invitations_are_answered")]
    operations = [now.instead_of(before) for now, before in zip(PARTIES, BEFORE, strict=True)]
