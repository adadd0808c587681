"""People: what is public, what is private, what they can do, and what they did."""

from apps.accounts.models.activity import UserActivityLog
from apps.accounts.models.career import Education, Portfolio, WorkExperience
from apps.accounts.models.profile import UserProfile
from apps.accounts.models.skill import Skill, UserSkill
from apps.accounts.models.user import User, UserPrivate
from apps.accounts.models.verification import UserVerification

__all__ = [
    "Education",
    "Portfolio",
    "Skill",
    "User",
    "UserActivityLog",
    "UserPrivate",
    "UserProfile",
    "UserSkill",
    "UserVerification",
    "WorkExperience",
]
