"""The tree of categories."""

from django.db import models
from django.db.models import F, Q

from apps.common.caching import Remembered
from apps.common.models import TimestampedModel
from apps.common.texts import LimitedCharField
from apps.gigs.managers import CategoryQuerySet


class Category(TimestampedModel, Remembered):
    """A node of the tree of services, at most three levels deep.

    The foreign key (parent_id, parent_level) -> (id, level) of migration gigs.0002 puts each parent exactly one
    level above: a cycle cannot be written.
    """

    # PROTECT: a category with children is emptied first.
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children",
        verbose_name="上级分类", db_index=False,
    )  # fmt: skip
    level = models.PositiveSmallIntegerField("层级", default=1)
    parent_level = models.GeneratedField(
        expression=F("level") - 1, output_field=models.PositiveSmallIntegerField(), db_persist=True,
        verbose_name="上级层级",
    )  # fmt: skip
    name = LimitedCharField("分类名称", max_length=50)
    slug = LimitedCharField("拼音标识", max_length=80)
    description = LimitedCharField("分类说明", max_length=300, blank=True)
    sort_order = models.PositiveSmallIntegerField("排序", default=0)
    is_active = models.BooleanField("启用", default=True)

    objects = CategoryQuerySet.as_manager()

    class Meta:
        verbose_name = "服务分类"
        verbose_name_plural = "服务分类"
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="gigs_category_slug_unique"),
            models.UniqueConstraint(
                fields=["parent", "name"], name="gigs_category_name_unique_among_siblings", nulls_distinct=False
            ),
            # Target of the foreign key that keeps the tree a tree.
            models.UniqueConstraint(fields=["id", "level"], name="gigs_category_id_and_level"),
            models.CheckConstraint(
                condition=Q(slug__regex=r"^[a-z0-9]+(-[a-z0-9]+)*$"), name="gigs_category_slug_shape"
            ),
            models.CheckConstraint(
                condition=Q(level=1, parent__isnull=True) | Q(level__in=[2, 3], parent__isnull=False),
                name="gigs_category_top_level_has_no_parent",
            ),
        ]
        indexes = [
            # CategoryQuerySet.below; also the foreign key's index.
            models.Index(fields=["parent", "parent_level", "sort_order"], name="categories_of_parent_in_order"),
        ]

    def __str__(self) -> str:
        return self.name
