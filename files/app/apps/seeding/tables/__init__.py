"""The tables of a seed, those that others point at first."""

from apps.seeding.table import Table
from apps.seeding.tables import accounts, gigs, messaging, orders, payments, reviews

TABLES: tuple[Table, ...] = (
    *accounts.TABLES,
    *gigs.TABLES,
    *orders.TABLES,
    *payments.TABLES,
    *messaging.TABLES,
    *reviews.TABLES,
)
