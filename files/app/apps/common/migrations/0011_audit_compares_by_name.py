"""All columns of the audited tables are compared by name: private data was taken apart as JSON at each change."""

from collections.abc import Iterator
from importlib import import_module

from django.db import migrations

from apps.common.audit_sql import Declaration, compared_by_name
from apps.common.sql import Audited

DECLARED = (
    ("accounts", "0010_audit"),
    ("gigs", "0014_audit"),
    ("gigs", "0020_audit_of_moderation"),
    ("orders", "0012_audit"),
    ("payments", "0014_audit"),
    ("messaging", "0009_audit"),
    ("reviews", "0009_audit"),
    ("reviews", "0015_audit_of_moderation"),
)
# The columns that are noted without their values, of the tables that have any.
UNSHOWN = {
    "accounts_user": "created_at password avatar_url headline region_code",
    "accounts_userverification": "created_at document_keys rejection_reason",
    "gigs_gig": "created_at title description cover_url",
    "gigs_gigpackage": "created_at name description",
    "gigs_gigreport": "created_at reporter_id freelancer_id details evidence_keys resolution",
    "orders_order": "created_at requirements_text",
    "orders_orderdispute": "created_at description resolution_note",
    "payments_wallet": "created_at",
    "payments_escrow": "created_at",
    "payments_paymentrefund": "created_at note",
    "payments_withdrawal": "created_at provider_reference failure_reason",
    "payments_payoutbatch": "created_at",
    "payments_paymentmethod": "created_at label last_characters bank_code bank_name",
    "messaging_messagereport": "created_at reporter_id details resolution",
    "reviews_review": "created_at author_role content reply_text",
    "reviews_reviewreport": "created_at reporter_id details resolution",
}
# Ciphertexts and blind indexes.
SEALED = {
    "accounts_userprivate": (
        "phone_number_sealed phone_number_index email_sealed email_index wechat_id_sealed wechat_id_index"
        " alipay_account_sealed real_name_sealed"
    ),
    "accounts_userverification": "identity_number_sealed identity_number_index holder_name_sealed",
    "payments_paymentmethod": "account_number_sealed holder_name_sealed",
}


def declarations() -> Iterator[Declaration]:
    """Yield how each table was declared."""
    for app, name in DECLARED:
        for operation in import_module(f"apps.{app}.migrations.{name}").Migration.operations:
            if isinstance(operation, Audited):
                yield operation.declared


class Migration(migrations.Migration):
    # After all that made one of these columns.
    dependencies = [
        ("common", "0010_owner_enlists_keys"),
        ("accounts", "0022_user_names_are_validated"),
        ("gigs", "0022_reports_by_no_party"),
        ("orders", "0024_disputes_in_own_name"),
        ("payments", "0025_paid_under_a_number"),
        ("messaging", "0015_reports_by_no_party"),
        ("reviews", "0018_reports_by_no_party"),
    ]
    operations = [
        compared_by_name(declared, UNSHOWN.get(declared.table, ""), SEALED.get(declared.table, ""))
        for declared in declarations()
        if declared.table in {*UNSHOWN, *SEALED}
    ]
