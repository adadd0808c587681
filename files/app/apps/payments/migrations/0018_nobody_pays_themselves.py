"""Staff may do much with other people's money and nothing with their own; a refund of all leaves nothing."""

from django.db import migrations

from apps.common.public_rows import written_by
from apps.common.row_security import PLATFORM, row_security
from apps.common.sql import refusal, refuse_if, row_trigger

ACTOR = "actor uuid := nullif(current_setting('app.current_user_id', true), '')::uuid;"

# A person takes back a withdrawal of their own: that is the only credit they give themselves.
CREDIT = refuse_if(
    "EXISTS (SELECT FROM public.payments_wallet WHERE id = NEW.wallet_id AND user_id = actor)",
    refusal(
        "payments_transaction_credit_is_by_another", "wallet_id",
        '%s does not put money into their own wallet (a "%s" of %s)', "actor", "NEW.kind", "NEW.amount",
        hint="Let the other party or another member of staff do it.",
    ),
)  # fmt: skip
WALLET_STATUS = refuse_if(
    "actor = NEW.user_id",
    refusal(
        "payments_wallet_status_is_set_by_another", "status", "%s neither freezes nor opens their own wallet", "actor",
        hint="Let another member of staff do it.",
    ),
)  # fmt: skip
PAYOUT = refuse_if(
    "actor = NEW.user_id",
    refusal(
        "payments_withdrawal_is_settled_by_another", "status",
        '%s does not say that their own withdrawal is "%s"', "actor", "NEW.status",
        hint="Let another member of staff do it.",
    ),
)  # fmt: skip

READ_HELD = """
            SELECT held_amount INTO held FROM public.payments_escrow WHERE order_id = NEW.order_id;"""
REFUND_IS_ALL = refuse_if(
    "NEW.resolution = 'refund' AND NEW.refund_amount <> held",
    refusal(
        "orders_orderdispute_refund_is_all_that_is_held", "refund_amount",
        "a refund of %s is not all of the %s that is held for the order", "NEW.refund_amount", "held",
        hint="Refund all that is held, or decide on partial_refund.",
    ),
)  # fmt: skip
PARTIAL_LEAVES = refuse_if(
    "NEW.resolution = 'partial_refund' AND NEW.refund_amount >= held",
    refusal(
        "orders_orderdispute_partial_refund_is_less_than_held", "refund_amount",
        "a partial refund of %s leaves nothing of the %s that is held for the order", "NEW.refund_amount", "held",
        hint="Refund less, or decide on refund.",
    ),
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("payments", "0017_row_security"), ("orders", "0015_no_party_decides")]
    operations = [
        row_trigger(
            "payments_transaction",
            "payments_transaction_credit_is_by_another",
            "BEFORE INSERT",
            CREDIT,
            declare=ACTOR,
            when="NEW.amount > 0 AND NEW.kind <> 'reversal'",
        ),
        row_trigger(
            "payments_wallet",
            "payments_wallet_status_is_set_by_another",
            "BEFORE UPDATE",
            WALLET_STATUS,
            declare=ACTOR,
            when="NEW.status IS DISTINCT FROM OLD.status",
        ),
        row_trigger(
            "payments_withdrawal",
            "payments_withdrawal_is_settled_by_another",
            "BEFORE UPDATE",
            PAYOUT,
            declare=ACTOR,
            when="NEW.status IS DISTINCT FROM OLD.status AND NEW.status IN ('paid', 'failed')",
        ),
        row_trigger(
            "orders_orderdispute",
            "orders_orderdispute_refund_fits_escrow",
            "BEFORE UPDATE",
            READ_HELD,
            REFUND_IS_ALL,
            PARTIAL_LEAVES,
            declare="held numeric;",
            when="NEW.status = 'resolved' AND OLD.status <> 'resolved'",
        ),
        # The whole platform's figures, counted by the roll-up.
        row_security("payments_paymentstat", written_by(PLATFORM, sees=PLATFORM)),
    ]
