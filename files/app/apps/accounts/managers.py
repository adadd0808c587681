"""Queries on people."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

if TYPE_CHECKING:
    from apps.accounts.models import Skill, User


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> "UserQuerySet":
        return self.filter(status="active")

    def freelancers(self) -> "UserQuerySet":
        """Return active people who offer services, newest first."""
        return self.active().filter(user_type__in=["freelancer", "both"]).order_by("-created_at", "-id")

    def with_skill(self, skill: "Skill") -> "UserQuerySet":
        """Return active people who have this skill, the most experienced first."""
        return self.active().filter(user_skills__skill=skill).order_by("-user_skills__years_of_experience")


class UserManager(BaseUserManager["User"]):
    """Makes accounts. User names are kept in lower case, so that no two differ by case alone."""

    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def active(self) -> UserQuerySet:
        return self.get_queryset().active()

    def freelancers(self) -> UserQuerySet:
        return self.get_queryset().freelancers()

    def with_skill(self, skill: "Skill") -> UserQuerySet:
        return self.get_queryset().with_skill(skill)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(username=AbstractBaseUser.normalize_username(username or "").lower())

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Make an account. Full-width letters become plain ones (NFKC), upper case becomes lower case."""
        user = self.model(username=AbstractBaseUser.normalize_username(username).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(
            username, password, **{**fields, "status": "active", "is_staff": True, "is_superuser": True}
        )
