from django.db import migrations

from apps.common.sql import refusal, refuse_if, row_trigger

# The account is locked until the order is committed: it can't be suspended in between.
READ_STATUS = "SELECT status INTO found FROM public.accounts_user WHERE id = NEW.freelancer_id FOR SHARE;"
IS_ACTIVE = refuse_if(
    "found <> 'active'",
    refusal(
        "orders_order_freelancer_is_active", "freelancer_id", "the freelancer %s is %s and takes no orders",
        "NEW.freelancer_id", "found", hint="Order from somebody whose account is active.",
    ),
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("orders", "0020_speaking_names")]
    operations = [
        # The owner writes what happened long ago: restored or generated data.
        row_trigger(
            "orders_order", "orders_order_freelancer_is_active", "BEFORE INSERT", READ_STATUS, IS_ACTIVE,
            declare="found text;", when="current_user <> 'freelance_owner'",
        ),
    ]  # fmt: skip
