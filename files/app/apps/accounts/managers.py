"""Queries on people."""

from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models, router
from django.db.models import ProtectedError
from django.db.models.functions import Now

from apps.common.caching import USER_SECONDS, RememberedQuerySet, bulk_stamp, remembered, row_stamp
from apps.common.encryption.fields import candidates
from apps.common.identity import acting_as_platform
from apps.common.search.models import SearchQuerySet
from apps.common.search.parts import part_of_text

if TYPE_CHECKING:
    from uuid import UUID

    from apps.accounts.models import (  # noqa: F401 (some are named in strings below)
        Education,
        Portfolio,
        Skill,
        User,
        UserActivityLog,
        UserPrivate,
        UserProfile,
        UserVerification,
        WorkExperience,
    )

IS_ERASED_NOT_DELETED = (
    "An account is not deleted: contracts and the ledger lead to it. Erase the person: manage.py erase_person."
)

OwnedByUser = TypeVar("OwnedByUser", bound=models.Model)


def as_kept(username: str) -> str:
    """Return a user name as it is stored: of full-width letters the plain ones (NFKC), of upper case the lower."""
    return AbstractBaseUser.normalize_username(username).lower()


class UserQuerySet(RememberedQuerySet["User"]):
    def remembered(self, user_id: "UUID") -> "User | None":
        """Return what everybody may see of a person, from the cache where it is there; None for nobody."""
        return remembered(
            f"user:{user_id}",
            USER_SECONDS,
            (row_stamp(self.model, user_id), bulk_stamp(self.model)),
            # A cache is no place for the hash of a password.
            lambda: self.defer("password").filter(pk=user_id).first(),
        )

    def delete(self) -> NoReturn:
        """Refuse: people are erased by `manage.py erase_person`. Raises ProtectedError."""
        raise ProtectedError(IS_ERASED_NOT_DELETED, set(self[:1]))

    def active(self) -> "UserQuerySet":
        return self.filter(status="active")

    def freelancers(self) -> "UserQuerySet":
        """Return active people who offer services, newest first."""
        return self.active().filter(user_type__in=["freelancer", "both"]).order_by("-created_at", "-id")

    def in_state(self, status: str, *user_types: str) -> "UserQuerySet":
        """Return people of these types in a state, newest first: for staff."""
        return self.filter(status=status, user_type__in=user_types).order_by("-created_at")

    def with_skill(self, skill: "Skill") -> "UserQuerySet":
        """Return active people who have this skill, the most experienced first."""
        return self.active().filter(user_skills__skill=skill).order_by("-user_skills__years_of_experience")

    def with_part_of_name(self, part: str) -> "UserQuerySet":
        """Return active people whose user name contains these characters, in upper or lower case, newest first.

        Raises ValueError for fewer than three characters.
        """
        return self.active().filter(username__contains=part_of_text(as_kept(part))).order_by("-created_at", "-id")


class UserManager(BaseUserManager["User"]):
    """Makes accounts. User names are kept in lower case, so that no two differ by case alone."""

    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def remembered(self, user_id: "UUID") -> "User | None":
        return self.get_queryset().remembered(user_id)

    def active(self) -> UserQuerySet:
        return self.get_queryset().active()

    def freelancers(self) -> UserQuerySet:
        return self.get_queryset().freelancers()

    def in_state(self, status: str, *user_types: str) -> UserQuerySet:
        return self.get_queryset().in_state(status, *user_types)

    def with_skill(self, skill: "Skill") -> UserQuerySet:
        return self.get_queryset().with_skill(skill)

    def with_part_of_name(self, part: str) -> UserQuerySet:
        return self.get_queryset().with_part_of_name(part)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(username=as_kept(username or ""))

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Make an account. Full-width letters become plain ones (NFKC), upper case becomes lower case."""
        user = self.model(username=as_kept(username), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        # Rights are given by the platform.
        with acting_as_platform(using=self._db or router.db_for_write(self.model)):
            return self.create_user(
                username, password, **{**fields, "status": "active", "is_staff": True, "is_superuser": True}
            )


class UserPrivateQuerySet(models.QuerySet["UserPrivate"]):
    """Found by their blind indexes: the values themselves are encrypted."""

    def with_phone(self, number: str) -> "UserPrivateQuerySet":
        return self.filter(phone_number_index__in=candidates(self.model, "phone_number_index", number))

    def with_email(self, address: str) -> "UserPrivateQuerySet":
        """Find an address in upper or lower case."""
        return self.filter(email_index__in=candidates(self.model, "email_index", address))


class UserProfileQuerySet(SearchQuerySet["UserProfile"]):
    def active(self) -> "UserProfileQuerySet":
        """Return the profiles of active people, each with its account."""
        return self.filter(user__status="active").select_related("user")


class CareerQuerySet(models.QuerySet[OwnedByUser]):
    """Schools or jobs."""

    def of_user(self, user_id: "UUID") -> Self:
        """Return what a person did, the latest first."""
        return self.filter(user_id=user_id).order_by("-started_on")


class PortfolioQuerySet(models.QuerySet["Portfolio"]):
    def of_user(self, user_id: "UUID") -> "PortfolioQuerySet":
        """Return what a person shows to everybody, in the person's own order."""
        return self.filter(user_id=user_id, is_public=True).order_by("sort_order", "-created_at")


class UserVerificationQuerySet(models.QuerySet["UserVerification"]):
    def waiting(self) -> "UserVerificationQuerySet":
        """Return what staff still have to decide, the oldest first."""
        return self.filter(status__in=["submitted", "in_review"]).order_by("created_at", "id")

    def of_user(self, user_id: "UUID", kind: str) -> "UserVerificationQuerySet":
        """Return a person's attempts to prove one thing, newest first."""
        return self.filter(user_id=user_id, kind=kind).order_by("-created_at")

    def of_reviewer(self, reviewer_id: "UUID") -> "UserVerificationQuerySet":
        """Return what a member of staff decided, the latest first."""
        return self.filter(reviewer_id=reviewer_id).order_by("-reviewed_at")

    def out_of_date(self) -> "UserVerificationQuerySet":
        """Return approvals whose papers are no longer valid: a job lets them expire."""
        return self.filter(status="approved", expires_at__lte=Now()).order_by("expires_at")


class UserActivityLogQuerySet(models.QuerySet["UserActivityLog"]):
    def of_user(self, user_id: "UUID") -> "UserActivityLogQuerySet":
        """Return what a person did, the latest first."""
        return self.filter(user_id=user_id).order_by("-created_at", "-id")
