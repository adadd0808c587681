"""Rows about people and about gigs beside the gig itself: each function makes one valid row, as in `factories`."""

import hashlib
import itertools
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import factories as make
from apps.accounts.models import (
    Education,
    Portfolio,
    User,
    UserActivityLog,
    UserProfile,
    UserVerification,
    WorkExperience,
)
from apps.gigs.models import (
    GigExtra,
    GigFAQ,
    GigFavorite,
    GigReport,
    GigRequirement,
    GigSearchHistory,
    GigStat,
    GigView,
)

MOMENT = datetime(2025, 1, 1, tzinfo=UTC)
# The example of GB 11643-1999.
IDENTITY_NUMBER = "11010519491231002X"
SESSION = hashlib.sha256(b"session").hexdigest()

_numbers = itertools.count(1)


def staff(**fields: Any) -> User:
    return make.user(**{"is_staff": True, **fields})


def _of_user(fields: dict[str, Any]) -> User:
    found: User = fields.pop("user", None) or make.user()
    return found


def profile(**fields: Any) -> UserProfile:
    return UserProfile.objects.create(user=_of_user(fields), **fields)


def education(**fields: Any) -> Education:
    return Education.objects.create(
        **{
            "user": _of_user(fields),
            "school": "清华大学",
            "degree": "bachelor",
            "started_on": date(2015, 9, 1),
            **fields,
        }
    )


def work_experience(**fields: Any) -> WorkExperience:
    return WorkExperience.objects.create(
        **{"user": _of_user(fields), "company": "某科技有限公司", "title": "前端工程师",
           "started_on": date(2019, 7, 1), **fields}
    )  # fmt: skip


def portfolio(**fields: Any) -> Portfolio:
    return Portfolio.objects.create(**{"user": _of_user(fields), "title": "品牌标志", **fields})


def verification(status: str = "submitted", **fields: Any) -> UserVerification:
    """Make a verification and take it to `status` by legal steps."""
    made = UserVerification.objects.create(**{"user": _of_user(fields), "kind": "real_name", **fields})
    steps = {"submitted": [], "in_review": ["in_review"]}
    ended = ["approved", status] if status in {"expired", "revoked"} else [status]
    for step in steps.get(status, ["in_review", *ended]):
        UserVerification.objects.filter(pk=made.pk).update(status=step, **verification_needs(step))
    made.refresh_from_db()
    return made


def verification_needs(status: str) -> dict[str, Any]:
    """Return the columns that a state of a verification asks for."""
    return {
        **({"reviewer": staff()} if status in {"approved", "rejected"} else {}),
        "reviewed_at": None if status in {"submitted", "in_review"} else MOMENT,
        "rejection_reason": "证件照片不清晰" if status == "rejected" else "",
        "expires_at": MOMENT,
    }


def activity(**fields: Any) -> UserActivityLog:
    return UserActivityLog.objects.create(**{"user": _of_user(fields), "action": "login", "channel": "web", **fields})


def _of_gig(fields: dict[str, Any]) -> Any:
    return fields.pop("gig", None) or make.gig("draft")


def requirement(**fields: Any) -> GigRequirement:
    return GigRequirement.objects.create(**{"gig": _of_gig(fields), "question": "贵公司的名称是什么？", **fields})


def faq(**fields: Any) -> GigFAQ:
    return GigFAQ.objects.create(
        **{"gig": _of_gig(fields), "question": "提供源文件吗？", "answer": "标准版和高级版提供源文件。", **fields}
    )


def extra(**fields: Any) -> GigExtra:
    return GigExtra.objects.create(
        **{"gig": _of_gig(fields), "name": f"加急{next(_numbers)}", "price": Decimal("50.00"), **fields}
    )


def favorite(**fields: Any) -> GigFavorite:
    gig = _of_gig(fields)
    return GigFavorite.objects.create(**{"user": _of_user(fields), "gig": gig, "freelancer": gig.freelancer, **fields})


def view(**fields: Any) -> GigView:
    return GigView.objects.create(**{"gig": _of_gig(fields), "session_digest": SESSION, "source": "search", **fields})


def search(**fields: Any) -> GigSearchHistory:
    return GigSearchHistory.objects.create(
        **{"session_digest": SESSION, "query_text": "标志设计", "result_count": 3, **fields}
    )


def stat(**fields: Any) -> GigStat:
    return GigStat.objects.create(**{"gig": _of_gig(fields), "day": date(2025, 1, 1), **fields})


def report(**fields: Any) -> GigReport:
    gig = _of_gig(fields)
    return GigReport.objects.create(
        **{"reporter": fields.pop("reporter", None) or make.user(), "gig": gig, "freelancer": gig.freelancer,
           "reason": "fraud", **fields}
    )  # fmt: skip


def report_needs(status: str) -> dict[str, Any]:
    """Return the columns that a state of a report asks for."""
    closed = status in {"upheld", "dismissed"}
    return {
        "handled_by": staff() if closed else None,
        "handled_at": MOMENT if closed else None,
        "resolution": "已核实" if closed else "",
    }
