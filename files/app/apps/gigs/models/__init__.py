"""Services on offer: categories, gigs and what belongs to them, who looked at them, and how they did."""

from apps.gigs.models.category import Category
from apps.gigs.models.detail import GigExtra, GigFAQ, GigRequirement
from apps.gigs.models.gig import Gig, GigPackage
from apps.gigs.models.interest import GigFavorite, GigSearchHistory, GigView
from apps.gigs.models.report import GigReport
from apps.gigs.models.stat import GigStat

__all__ = [
    "Category",
    "Gig",
    "GigExtra",
    "GigFAQ",
    "GigFavorite",
    "GigPackage",
    "GigReport",
    "GigRequirement",
    "GigSearchHistory",
    "GigStat",
    "GigView",
]
