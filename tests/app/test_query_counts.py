"""Lists that come with what belongs to their rows take as many queries for three rows as for one."""

from collections.abc import Callable
from typing import Any

import factories as make
import factories_talk as talk
import pytest
from apps.messaging.models import Message
from apps.orders.models import Order
from apps.reviews.models import Review
from test_routing import queries


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("factory", "rows", "read", "wanted"),
    [
        (make.order, Order.objects.with_people, lambda o: [o.client.username, o.freelancer.username, o.gig.title], 1),
        (make.order, Order.objects.with_contract, lambda o: [o.gig.title, *o.order_extras.all(),
                                                             *o.requirements.all()], 3),
        (talk.message, Message.objects.with_parts, lambda m: [m.sender.username, *m.attachments.all(),
                                                              *m.reactions.all()], 3),
        (talk.review, Review.objects.with_people, lambda r: [r.author.username, r.subject.username, r.gig.title], 1),
    ],
)  # fmt: skip
def test_a_list_takes_the_same_queries_however_long_it_is(
    factory: Callable[[], Any], rows: Callable[[], Any], read: Callable[[Any], object], wanted: int
) -> None:
    made = [factory().pk for _ in range(3)]
    for keys in (made[:1], made):
        with queries("default") as counted:
            assert len([read(row) for row in rows().filter(pk__in=keys)]) == len(keys)
        assert len(counted) == wanted
