"""What of a person stands in accounts, and what becomes of it."""

from django.db.models import CharField, F, Q, Value
from django.db.models.functions import Cast, Concat

from apps.accounts.models import (
    Education,
    Portfolio,
    Skill,
    User,
    UserActivityLog,
    UserPrivate,
    UserProfile,
    UserSkill,
    UserVerification,
    WorkExperience,
)
from apps.common.person import Nobody, Obstacle, Personal

USER = ("user",)

DECLARED = (
    Personal(model=UserActivityLog, people=USER, deleted=True),
    Personal(model=Education, people=USER, deleted=True),
    Personal(model=WorkExperience, people=USER, deleted=True),
    Personal(model=Portfolio, people=USER, deleted=True, files="cover_url media_urls"),
    Personal(model=UserProfile, people=USER, deleted=True),
    Personal(model=UserSkill, people=USER, deleted=True),
    # That somebody was verified stands behind their contracts, the papers do not.
    Personal(
        model=UserVerification,
        people=USER,
        mentioned=("reviewer",),
        replaced={"identity_number": None, "identity_number_index": None, "holder_name": None, "document_keys": []},
        redacted="rejection_reason",
        facts="reviewed_at expires_at",
        identifying="identity_number holder_name",
        files="document_keys",
    ),
    Personal(
        model=UserPrivate,
        people=USER,
        deleted=True,
        identifying="phone_number email wechat_id alipay_account real_name",
    ),
    Personal(model=User.groups.through, people=USER, deleted=True),
    Personal(model=User.user_permissions.through, people=USER, deleted=True),
    # The row stays: contracts and the ledger lead to it.
    Personal(
        model=User,
        people=("pk",),
        replaced={
            "username": Concat(Value("erased-"), Cast(F("id"), CharField())),
            # Django's mark of a password that nobody has.
            "password": "!",
            "nickname": "已注销用户",
            "status": User.Status.ERASED,
            "avatar_url": "",
            "headline": "",
            "region_code": "",
            "last_login": None,
            "is_superuser": False,
        },
        facts="is_staff",
        # A nickname is what others call them; like a name of letters alone it may be any word.
        identifying_unless_a_word="username",
        files="avatar_url",
        remembered="user:{}",
        secret="password",  # noqa: S106 (the name of the column)
    ),
    Nobody(Skill),
)

OBSTACLES = (Obstacle(User, ("pk",), Q(is_staff=True), "is staff: take the rights away first"),)
