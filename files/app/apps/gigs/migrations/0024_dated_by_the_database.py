"""A gig, and a report of one, is dated by the database."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

from django.db import migrations

from apps.common.parties import Parties

BEFORE: Sequence[Parties] = (
    *import_module("apps.gigs.migrations.0019_gigs_are_approved").PARTIES,
    *import_module("apps.gigs.migrations.0022_reports_by_no_party").PARTIES,
)
PARTIES = tuple(replace(before, dated=True) for before in BEFORE)


class Migration(migrations.Migration):
    dependencies = [("gigs", "0023_texts_are_for_who_decides")]
    operations = [now.instead_of(before) for now, before in zip(PARTIES, BEFORE, strict=True)]
