"""What columns of money have in common."""

from decimal import Decimal

from django.db.models import Q


def are_numbers(*fields: str, digits: int = 12) -> Q:
    """Refuse 'NaN' in columns of `numeric(digits, 2)`.

    PostgreSQL takes it for greater than every number: a lower bound lets it in. Infinity does not fit such a column.
    """
    return Q(**{f"{field}__lte": Decimal("9" * digits).scaleb(-2) for field in fields})
