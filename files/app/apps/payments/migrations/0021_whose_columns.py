"""What about money is whose: an account is verified by the platform, and anew when money would go elsewhere."""

from django.db import migrations

from apps.common.parties import PLATFORM, Parties, named
from apps.common.row_security import APPLICATION
from apps.common.sql import refusal, refuse_if, row_trigger

HOLDER = named("holder", "user_id")
# Where money goes, and who says that it is theirs.
TARGET = "kind account_number_sealed holder_name_sealed last_characters bank_code bank_name"

PARTIES = (
    Parties(
        table="payments_paymentmethod",
        final="id created_at user_id",
        author=HOLDER,
        by={HOLDER: f"{TARGET} label is_default", PLATFORM: "verified_at"},
        steps={HOLDER: "unverified>disabled active>disabled disabled>unverified"},
    ),
    # A decision is asked for by who decides: one that a party wrote would stand in its way.
    Parties(table="payments_paymentrefund", new={PLATFORM: "NEW.reason = 'dispute'"}),
)

# The ledger locks the wallet before it looks at the account: a withdrawal is seen here, or finds the new state.
LOCK_WALLET = "PERFORM FROM public.payments_wallet WHERE user_id = OLD.user_id FOR NO KEY UPDATE;"
NOTHING_IS_ON_ITS_WAY = refuse_if(
    """EXISTS (SELECT FROM public.payments_withdrawal
                WHERE payment_method_id = OLD.id AND status IN ('requested', 'processing'))""",
    refusal(
        "payments_paymentmethod_stays_while_money_is_on_its_way", "account_number_sealed",
        "money is on its way to the account %s: number, holder and kind stay", "OLD.id",
        hint="Wait for the withdrawal, cancel it, or add another account.",
    ),
)  # fmt: skip
VERIFIED_ANEW = """
            NEW.verified_at := NULL;
            NEW.is_default := false;
            -- No step of its own, which would be legal for nobody: what was verified is not there any more.
            NEW.status := CASE NEW.status WHEN 'active' THEN 'unverified' ELSE NEW.status END;"""


def of(row: str) -> str:
    return ", ".join(f"{row}.{column}" for column in TARGET.split())


class Migration(migrations.Migration):
    dependencies = [("payments", "0020_days"), ("accounts", "0014_row_security")]
    operations = [
        *(parties.triggers() for parties in PARTIES),
        # The name sorts it behind the rules about who may: what it writes is nobody's.
        row_trigger(
            "payments_paymentmethod", "payments_paymentmethod_whose_target_changes", "BEFORE UPDATE",
            LOCK_WALLET, NOTHING_IS_ON_ITS_WAY, VERIFIED_ANEW,
            when=f"current_user = '{APPLICATION}' AND ({of('NEW')}) IS DISTINCT FROM ({of('OLD')})",
        ),
    ]  # fmt: skip
