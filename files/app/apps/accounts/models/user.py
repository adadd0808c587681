"""Accounts: what is public and what is private."""

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.indexes import GinIndex
from django.db import models, router
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from apps.accounts.managers import IS_ERASED_NOT_DELETED, UserManager, UserPrivateQuerySet
from apps.accounts.validators import validate_email, validate_not_blank, validate_phone_number, validate_wechat_id
from apps.common.caching import Remembered
from apps.common.encryption.fields import (
    BlindIndexField,
    EncryptedModel,
    EncryptedTextField,
    IsIndexed,
    IsSealed,
    SealedShape,
)
from apps.common.identity import acting_as
from apps.common.models import StatefulModel, Transitions
from apps.common.texts import LimitedCharField, LimitedURLField, RuledCharField

if TYPE_CHECKING:
    from apps.accounts.models.skill import Skill, UserSkill


class User(AbstractBaseUser, PermissionsMixin, StatefulModel, Remembered):
    """An account: login and public columns only. What is private lives in UserPrivate."""

    class Type(models.TextChoices):
        CLIENT = "client", "客户"
        FREELANCER = "freelancer", "自由职业者"
        BOTH = "both", "客户兼自由职业者"

    class Status(models.TextChoices):
        PENDING = "pending", "待激活"
        ACTIVE = "active", "正常"
        SUSPENDED = "suspended", "已冻结"
        DEACTIVATED = "deactivated", "已停用"
        ERASED = "erased", "已注销"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("pending", "active"),
        "pending": ("active", "suspended", "erased"),
        "active": ("suspended", "deactivated", "erased"),
        "suspended": ("active", "deactivated", "erased"),
        "deactivated": ("active", "erased"),
    }

    # As Django has it.
    password = LimitedCharField(_("password"), max_length=128)
    username = LimitedCharField("用户名", max_length=64)
    nickname = LimitedCharField("昵称", max_length=50, blank=True)
    user_type = RuledCharField("用户类型", max_length=16, choices=Type, default=Type.CLIENT)
    status = RuledCharField("账户状态", max_length=16, choices=Status, default=Status.PENDING)
    avatar_url = LimitedURLField("头像", max_length=500, blank=True)
    headline = LimitedCharField("一句话简介", max_length=120, blank=True)
    # GB/T 2260 administrative division, two digits of the province and four more to the county.
    region_code = RuledCharField("所在地区代码", max_length=6, blank=True)
    is_staff = models.BooleanField("后台人员", default=False)
    skills: "models.ManyToManyField[Skill, UserSkill]" = models.ManyToManyField(
        "Skill", through="UserSkill", related_name="users", verbose_name="技能"
    )

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = "用户"
        verbose_name_plural = "用户"
        constraints = [
            models.UniqueConstraint(fields=["username"], name="accounts_user_username_unique"),
            models.CheckConstraint(
                condition=Q(username__regex=r"^[^\s]{3,64}$") & Q(username=Lower(F("username"))),
                name="accounts_user_username_lower_case_no_space",
                violation_error_message="用户名须为 3 到 64 个字符，不含空格和大写字母。",
            ),
            models.CheckConstraint(
                # What looks so is a phone number or an address to who logs in.
                condition=~Q(username__regex=r"^\+|@|^(00)?-?(86)?-?1-?[3-9](-?[0-9]){9}$"),
                name="accounts_user_username_is_no_contact",
                violation_error_message="用户名不能是手机号或邮箱：不能含 @，不能以 + 开头。",
            ),
            models.CheckConstraint(
                condition=Q(user_type__in=["client", "freelancer", "both"]), name="accounts_user_type_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "active", "suspended", "deactivated", "erased"]),
                name="accounts_user_status_known",
            ),
            models.CheckConstraint(
                condition=Q(region_code__regex=r"^([1-9][0-9]{5})?$"),
                name="accounts_user_region_code_six_digits",
                violation_error_message="地区代码须为 6 位数字（GB/T 2260）。",
            ),
        ]
        indexes = [
            # UserQuerySet.with_part_of_name.
            GinIndex(
                fields=["username"],
                opclasses=["gin_trgm_ops"],
                name="users_by_part_of_name",
                condition=Q(status="active"),
            ),
            # UserQuerySet.in_state.
            models.Index(fields=["status", "user_type", "-created_at"], name="users_by_status_and_type"),
            # UserQuerySet.freelancers: keyset pages over active people who offer services.
            models.Index(
                fields=["-created_at", "-id"],
                name="users_active_freelancers",
                condition=Q(status="active", user_type__in=["freelancer", "both"]),
            ),
        ]

    def __str__(self) -> str:
        return self.nickname or self.username

    def save(self, **kwargs: Any) -> None:
        """Write the profile's words again where the headline changed: a trigger marked them (accounts.0006)."""
        from apps.accounts.models.profile import UserProfile  # noqa: PLC0415 (it imports this module)

        is_new, update_fields = self._state.adding, kwargs.get("update_fields")
        super().save(**kwargs)
        if not is_new and (update_fields is None or "headline" in update_fields):
            for marked in UserProfile.objects.using(self._state.db).filter(user=self, search_version=0):
                marked.user = self
                marked.index_words()

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: people are erased by `manage.py erase_person`. Raises ProtectedError."""
        raise models.ProtectedError(IS_ERASED_NOT_DELETED, {self})

    def check_password(self, raw_password: str | None) -> bool:
        """Return whether this is the password. A hash of an older kind is renewed, as the person who just proved it."""

        def renew(raw_password: str) -> None:
            self.set_password(raw_password)
            # No change of the password, only of its hash.
            self._password = None
            alias = router.db_for_write(User, instance=self)
            with acting_as(self.pk, using=alias):
                self.save(update_fields=["password"], using=alias)

        return check_password(raw_password, self.password, renew)

    @property
    def is_active(self) -> bool:  # type: ignore[override]  # Django has a plain attribute; the state decides here
        return self.status == self.Status.ACTIVE


class UserPrivate(EncryptedModel):
    """What only the person sees. One row per account, its key is the account's."""

    # CASCADE: private data must not outlive the account.
    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="private", verbose_name="用户"
    )
    phone_number = EncryptedTextField(
        "手机号", max_length=16, db_column="phone_number_sealed", validators=[validate_phone_number]
    )
    phone_number_index = BlindIndexField("手机号索引", of="phone_number")
    phone_verified_at = models.DateTimeField("手机验证时间", null=True, blank=True)
    email = EncryptedTextField("电子邮箱", max_length=254, db_column="email_sealed", validators=[validate_email])
    email_index = BlindIndexField("电子邮箱索引", of="email", ignores_case=True)
    email_verified_at = models.DateTimeField("邮箱验证时间", null=True, blank=True)
    wechat_id = EncryptedTextField(
        "微信号", max_length=20, db_column="wechat_id_sealed", validators=[validate_wechat_id]
    )
    wechat_id_index = BlindIndexField("微信号索引", of="wechat_id")
    alipay_account = EncryptedTextField(
        "支付宝账号", max_length=100, db_column="alipay_account_sealed", validators=[validate_not_blank]
    )
    real_name = EncryptedTextField(
        "真实姓名", max_length=50, db_column="real_name_sealed", validators=[validate_not_blank]
    )
    updated_at = models.DateTimeField("更新时间", auto_now=True, db_default=models.functions.Now())

    objects = UserPrivateQuerySet.as_manager()

    class Meta:
        verbose_name = "用户私密信息"
        verbose_name_plural = "用户私密信息"
        constraints = [
            # UserPrivateQuerySet.with_phone and .with_email.
            models.UniqueConstraint(fields=["phone_number_index"], name="accounts_userprivate_phone_of_one_person"),
            models.UniqueConstraint(fields=["email_index"], name="accounts_userprivate_email_of_one_person"),
            models.UniqueConstraint(fields=["wechat_id_index"], name="accounts_userprivate_wechat_of_one_person"),
            SealedShape(
                condition=Q(IsSealed("phone_number", 16, 8, 1), IsIndexed("phone_number", "phone_number_index")),
                name="accounts_userprivate_phone_is_sealed",
            ),
            SealedShape(
                condition=Q(IsSealed("email", 254), IsIndexed("email", "email_index")),
                name="accounts_userprivate_email_is_sealed",
            ),
            SealedShape(
                condition=Q(IsSealed("wechat_id", 20), IsIndexed("wechat_id", "wechat_id_index")),
                name="accounts_userprivate_wechat_is_sealed",
            ),
            SealedShape(condition=IsSealed("alipay_account", 100), name="accounts_userprivate_alipay_is_sealed"),
            SealedShape(condition=IsSealed("real_name", 50), name="accounts_userprivate_real_name_is_sealed"),
            SealedShape(
                condition=Q(phone_verified_at__isnull=True) | Q(phone_number__isnull=False),
                name="accounts_userprivate_verified_phone_exists",
            ),
        ]

    def __str__(self) -> str:
        # Nothing private: this text ends up in logs.
        return str(self.pk)
