"""Two hundred thousand gigs in one category: what searching and paging are measured on."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle
from uuid import UUID

import search_corpus
from apps.accounts.models import User
from apps.common.keys import uuid7
from apps.common.search.words import dictionary_version, tsvector
from apps.common.triggers import triggers_off
from apps.gigs.models import Category, Gig
from apps.seeding.copying import row_security_not_forced
from django.db import connections, transaction

from tests.bench.application.host import Bench

GIGS, GIGS_SMALL = 200_000, 4_000
SLUG = "biao-zhi-she-ji"
# The newest one; each next one is a minute older.
NEWEST = datetime(2026, 7, 1, tzinfo=UTC)
COPY = (
    "COPY gigs_gig (id, created_at, updated_at, search_vector, search_version, freelancer_id, category_id, title,"
    " description, status, cover_url, rating_average, rating_count, published_at) FROM STDIN"
)


def many_gigs(bench: Bench) -> Category:
    """The category that holds them, in the seeded marketplace. They are written when they are asked for first."""
    wanted = GIGS_SMALL if bench.small else GIGS
    category = Category.objects.using("direct").get(slug=SLUG)
    if Gig.objects.using("direct").filter(category=category).count() < wanted:
        seeded = bench.seed.rows
        bench.say(f"{wanted} gigs beside {seeded} rows of the seed")
        with transaction.atomic(using="direct"), connections["direct"].cursor() as cursor:
            # A new gig is a draft; these have been put on sale already.
            drafts_only = ("gigs_gig", "gigs_gig_status_transition_on_insert")
            sellers = list(User.objects.using("direct").filter(user_type="freelancer").values_list("pk", flat=True))
            # An ALTER TABLE finds no check that still waits.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            with row_security_not_forced(cursor), triggers_off(cursor, [drafts_only]), cursor.copy(COPY) as copy:
                for row in _rows(category, sellers, wanted):
                    copy.write_row(row)
        bench.server.sql("freelance_platform", "VACUUM ANALYZE gigs_gig;")
    return category


def _rows(category: Category, sellers: Sequence[UUID], count: int) -> Iterator[tuple[object, ...]]:
    """Texts that all differ, of each seller in turn, cut into words as saving does."""
    version, owners = dictionary_version(), cycle(sellers)
    for place, (title, description) in enumerate(search_corpus.gigs(count)):
        at = NEWEST - timedelta(minutes=place)
        words = tsvector(Gig(title=title, description=description).search_texts())
        yield (
            uuid7(), at, at, words, version, next(owners), category.pk, title, description, "active", "", 0, 0, at,
        )  # fmt: skip
