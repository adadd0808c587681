"""What a client orders has a price when the platform has written the fee, and stays as it was priced from then on."""

from importlib import import_module

import django.db.models.expressions
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from apps.common.parties import ACTOR
from apps.common.row_security import APPLICATION
from apps.common.sql import refusal, refuse_if, row_trigger

BY_A_PARTY = import_module("apps.orders.migrations.0023_at_the_price_of_the_offer").BY_A_PARTY
# Also where the platform's job acts, which is no person.
NOBODY_CONCERNED = f"{BY_A_PARTY} IS NOT TRUE"
DECLARE = f"actor uuid := {ACTOR}; contract public.orders_order; days integer;"
BY_THE_APPLICATION = f"current_user = '{APPLICATION}'"

AGREED = "or let the platform write what was agreed."
PRICED = "the order %s has its fee: price, quantity, extras and date stay as they are"
TAKE_BACK = "Let the platform take its fee back first, or cancel and order again."

# By the calendar of the parties: the order is due on a day, not at the minute at which it was placed.
DAYS = """
            SELECT greatest(package.delivery_days + coalesce(sum(extra.additional_days), 0), 0) INTO days
                FROM public.gigs_gigpackage AS package
                LEFT JOIN public.orders_orderextra AS extra ON extra.order_id = contract.id
                WHERE package.id = contract.package_id GROUP BY package.id;"""
DUE_ON = "(contract.due_at AT TIME ZONE 'Asia/Shanghai')::date"
TOO_SOON = f"{DUE_ON} < (statement_timestamp() AT TIME ZONE 'Asia/Shanghai')::date + days"


def refuse_too_soon(column: str) -> str:
    """Return the statements that count the days which package and extras take, and refuse a date before their end."""
    return DAYS + refuse_if(
        TOO_SOON,
        refusal(
            "orders_order_due_at_leaves_the_days_of_the_gig", column,
            "the order %s is due on %s, its package and extras take %s days", "contract.number", DUE_ON, "days",
            hint=f"Choose a later date, {AGREED}",
        ),
    )  # fmt: skip


def refuse_another(column: str) -> str:
    """Return the statement that refuses what the gig's extra does not say."""
    name = f"orders_orderextra_{column}_is_the_gigs"
    return refuse_if(
        f"NEW.{column} <> offered.{column} AND (TG_OP = 'INSERT'"
        f" OR (NEW.{column}, NEW.gig_extra_id) IS DISTINCT FROM (OLD.{column}, OLD.gig_extra_id))",
        refusal(
            name, column, f'the extra "%s" has the {column} "%s", the gig offers it with "%s"', "NEW.name",
            f"NEW.{column}", f"offered.{column}", hint=f"Take the extra as it is offered, {AGREED}",
        ),
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("orders", "0026_texts_are_for_who_decides")]
    operations = [
        migrations.AlterField(
            "order",
            "service_fee",
            models.DecimalField("平台服务费（元）", max_digits=12, decimal_places=2, null=True, blank=True),
        ),
        migrations.AlterField(
            "order",
            "total_amount",
            models.GeneratedField(
                db_persist=True,
                expression=django.db.models.expressions.CombinedExpression(
                    django.db.models.expressions.CombinedExpression(
                        django.db.models.expressions.CombinedExpression(
                            models.F("unit_price"), "*", models.F("quantity")
                        ),
                        "+",
                        models.F("extras_amount"),
                    ),
                    "+",
                    models.F("service_fee"),
                ),
                null=True,
                output_field=models.DecimalField(decimal_places=2, max_digits=12),
                verbose_name="订单总额（元）",
            ),
        ),
        migrations.RunSQL(
            migrations.RunSQL.noop,
            # The contract of a cancelled order is fixed, too.
            """
            ALTER TABLE orders_order DISABLE TRIGGER orders_order_contract_is_fixed;
            UPDATE orders_order SET service_fee = 0 WHERE service_fee IS NULL;
            ALTER TABLE orders_order ENABLE TRIGGER orders_order_contract_is_fixed;
            """,
        ),
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=models.Q(status__in=["pending_payment", "cancelled"]) | models.Q(service_fee__isnull=False),
                name="orders_order_service_fee_when_paid",
            ),
        ),
        # All named behind …_whose_columns: first it is asked whose the column is.
        row_trigger(
            "orders_order",
            "orders_order_whose_price_is_fixed",
            "BEFORE INSERT OR UPDATE OF unit_price, quantity, due_at",
            "contract := NEW;",
            f"IF {NOBODY_CONCERNED} THEN RETURN NEW; END IF;",
            # 0 is no fee of a client's: the release before writes it where nobody has said anything.
            "IF TG_OP = 'INSERT' THEN NEW.service_fee := NULL; END IF;",
            refuse_if(
                "OLD.service_fee IS NOT NULL AND (NEW.unit_price, NEW.quantity, NEW.due_at)"
                " IS DISTINCT FROM (OLD.unit_price, OLD.quantity, OLD.due_at)",
                refusal("orders_order_stays_as_priced", "service_fee", PRICED, "NEW.number", hint=TAKE_BACK),
            ),
            f"IF NEW.due_at IS DISTINCT FROM OLD.due_at THEN {refuse_too_soon('due_at')} END IF;",
            declare=DECLARE,
            when=BY_THE_APPLICATION,
        ),
        row_trigger(
            "orders_orderextra",
            "orders_orderextra_whose_words_are_the_gigs",
            "BEFORE INSERT OR UPDATE OF name, additional_days, gig_extra_id",
            "SELECT * INTO contract FROM public.orders_order WHERE id = NEW.order_id;",
            f"IF {NOBODY_CONCERNED} THEN RETURN NEW; END IF;",
            "SELECT * INTO offered FROM public.gigs_gigextra WHERE id = NEW.gig_extra_id;",
            refuse_another("name"),
            refuse_another("additional_days"),
            declare=f"{DECLARE} offered public.gigs_gigextra;",
            when=BY_THE_APPLICATION,
        ),
        # Afterwards, when the order is locked and the extras are what they will be.
        row_trigger(
            "orders_orderextra",
            "orders_orderextra_whose_price_is_fixed",
            "AFTER INSERT OR UPDATE OR DELETE",
            "SELECT * INTO contract FROM public.orders_order WHERE id = coalesce(NEW.order_id, OLD.order_id);",
            f"IF {NOBODY_CONCERNED} THEN RETURN NULL; END IF;",
            refuse_if(
                "contract.service_fee IS NOT NULL",
                refusal("orders_orderextra_stays_as_priced", "order_id", PRICED, "contract.number", hint=TAKE_BACK),
            ),
            # Who takes an extra back that asks for no days is not asked for the date again.
            "IF coalesce(NEW.additional_days, 0) > coalesce(OLD.additional_days, 0) THEN"
            f" {refuse_too_soon('additional_days')} END IF;",
            declare=DECLARE,
            when=BY_THE_APPLICATION,
        ),
    ]  # fmt: skip
