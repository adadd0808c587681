"""What of a person stands in gigs, and what becomes of it."""

from uuid import UUID

from django.db.models import CharField, Func
from django.db.models.functions import Cast

from apps.common.person import Nobody, Personal
from apps.gigs.models import (
    Category,
    Gig,
    GigExtra,
    GigFAQ,
    GigFavorite,
    GigPackage,
    GigReport,
    GigRequirement,
    GigSearchHistory,
    GigStat,
    GigView,
)

OF_GIG = ("gig__freelancer",)
# Not Django's SHA256, which needs the extension pgcrypto.
DIGEST_OF_THE_ROW = Func(
    Cast("id", CharField()),
    template="encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex')",
    output_field=CharField(),
)

DECLARED = (
    Personal(model=GigFavorite, people=("user",), mentioned=("freelancer",), deleted=True),
    Personal(model=GigSearchHistory, people=("user",), deleted=True),
    # That a gig was seen is the freelancer's figure; a digest of its own ties each view to no other one.
    Personal(
        model=GigView,
        people=("viewer",),
        replaced={"session_digest": DIGEST_OF_THE_ROW, "viewer": None},
    ),
    Personal(
        model=GigReport,
        people=("reporter",),
        mentioned=("freelancer", "handled_by"),
        redacted="details resolution",
        facts="handled_at evidence_keys",  # evidence, of files that staff alone see
    ),
    # What was sold, as the contracts say.
    Personal(
        model=GigPackage, people=OF_GIG, redacted="name description", facts="price delivery_days revisions is_active"
    ),
    Personal(
        model=GigRequirement,
        people=OF_GIG,
        redacted="question options",
        facts="allows_several is_required sort_order",
    ),
    Personal(model=GigFAQ, people=OF_GIG, redacted="question answer", facts="sort_order"),
    Personal(model=GigExtra, people=OF_GIG, redacted="name description", facts="price additional_days is_active"),
    Personal(
        model=Gig,
        people=("freelancer",),
        replaced={"cover_url": ""},
        redacted="title description",
        facts="rating_average rating_count published_at",
        files="cover_url",
        remembered="gig:{}",
    ),
    Nobody(GigStat),
    Nobody(Category),
)


def take_off_the_market(alias: str, person_id: UUID) -> None:
    gigs = Gig.objects.using(alias).filter(freelancer_id=person_id)
    gigs.filter(status=Gig.Status.PENDING_REVIEW).update(status=Gig.Status.DRAFT)
    gigs.exclude(status=Gig.Status.ARCHIVED).update(status=Gig.Status.ARCHIVED)


CLOSINGS = (take_off_the_market,)
