"""Which keys a database was written with."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.common.keys import UUIDv7, uuid7


class EncryptionKey(models.Model):
    """A key by its ring and number: no key, only what tells it from another one. A number is never given again."""

    class Ring(models.TextChoices):
        ENCRYPTION = "encryption", "加密"
        BLIND_INDEX = "blind_index", "盲索引"

    id = models.UUIDField("编号", primary_key=True, default=uuid7, db_default=UUIDv7(), editable=False)
    ring = models.TextField("用途", choices=Ring)
    number = models.PositiveIntegerField("密钥编号")
    # HMAC-SHA-256 of a constant by the key, 32 bytes.
    check_value = models.BinaryField("校验值")
    created_at = models.DateTimeField("启用时间", db_default=Now(), editable=False)
    # When a rotation had left no value of it: from then on the key file may do without it, and it writes nothing more.
    retired_at = models.DateTimeField("停用时间", null=True, blank=True)

    class Meta:
        app_label = "common"
        verbose_name = "加密密钥"
        verbose_name_plural = "加密密钥"
        constraints = [
            models.UniqueConstraint(fields=["ring", "number"], name="common_encryptionkey_one_of_a_number"),
            models.CheckConstraint(
                condition=Q(ring__in=["encryption", "blind_index"]), name="common_encryptionkey_ring_known"
            ),
            models.CheckConstraint(
                # Two bytes stand before each value.
                condition=Q(number__gte=1, number__lte=65_535),
                name="common_encryptionkey_number_has_two_bytes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ring} {self.number}"
