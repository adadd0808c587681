"""Papers stay as they were handed in, and who decides on them stands there with their own name."""

from django.db import migrations

from apps.common.parties import ACTOR, PLATFORM, Parties, named
from apps.common.row_security import APPLICATION
from apps.common.sql import refusal, refuse_if, row_trigger

PERSON = named("person", "user_id")

PARTIES = (
    Parties(
        table="accounts_userverification",
        final="id created_at user_id kind identity_number_sealed identity_number_index holder_name_sealed document_keys",
        by={PLATFORM: "reviewer_id reviewed_at rejection_reason expires_at"},
        steps={PLATFORM: "submitted>in_review in_review>approved in_review>rejected approved>expired approved>revoked"},
        author=PERSON,
    ),
)

DECIDED_IN_OWN_NAME = refuse_if(
    f"NEW.reviewer_id IS NULL OR NEW.reviewer_id <> {ACTOR}",
    refusal(
        "accounts_userverification_decided_in_own_name", "reviewer_id",
        'the papers %s become "%s" by nobody, or in the name of somebody else', "NEW.id", "NEW.status",
        hint="Name the member of staff who decides, and act as them.",
    ),
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("accounts", "0018_verified_contacts")]
    operations = [
        *(parties.triggers() for parties in PARTIES),
        # A job of the platform, which is nobody, names who decided outside of it.
        row_trigger(
            "accounts_userverification", "accounts_userverification_decided_in_own_name", "BEFORE UPDATE",
            DECIDED_IN_OWN_NAME,
            when=f"current_user = '{APPLICATION}' AND NEW.status <> OLD.status"
            " AND NEW.status IN ('approved', 'rejected')",
        ),
    ]  # fmt: skip
