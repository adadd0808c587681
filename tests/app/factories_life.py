"""A person with a row of every kind, for tests of what is kept about people. Written while the platform acts."""

from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
from apps.accounts.login import confirm_contact
from apps.accounts.models import Skill, User, UserPrivate, UserSkill
from apps.common.identity import acting_as, acting_as_platform
from apps.messaging.models import BlockedUser, MessageReaction, MessageTemplate
from apps.orders.models import Delivery, Order, OrderDispute
from apps.payments import ledger
from apps.payments.models import Wallet
from apps.reviews.models import Review, ReviewHelpful, UserRating
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group
from django.utils import timezone

PHONE, EMAIL, WECHAT = "+8615499887766", "zhu.wanjia@example.com", "wx_zhu_7766"
ALIPAY, NAME, HOLDER, ACCOUNT = "zhu-alipay-7766", "朱万家", "朱万佳", "6222020200112239999"


@dataclass(frozen=True)
class Life:
    person: User
    other: User


def life() -> Life:
    """Make somebody who sold, bought, quarrelled, talked and was paid, and whose business is all settled."""
    person = make.user(username="zhu.wanjia", nickname="朱家工作室", user_type="both", headline="十年标志设计")
    User.objects.filter(pk=person.pk).update(avatar_url="https://f.cn/avatar.png", region_code="310000")
    other = make.user(user_type="both")
    about_themselves(person)
    sold(person, other)
    bought(person, other)
    talked(person, other)
    looked_around(person)
    paid_out(person)
    logged_in(person)
    logged_in(other)
    return Life(person, other)


def logged_in(person: User) -> None:
    """Leave a session with a value of the person, as a view may."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session.update({SESSION_KEY: str(person.pk), "contact": PHONE})
    session.create()


def about_themselves(person: User) -> None:
    with acting_as(person.pk):
        UserPrivate.objects.create(
            user=person, phone_number=PHONE, email=EMAIL, wechat_id=WECHAT, alipay_account=ALIPAY, real_name=NAME
        )
    confirm_contact(person.pk, "phone", PHONE)
    people.profile(user=person, bio="擅长品牌设计", company_name="朱家公司", job_title="设计师")
    people.education(user=person, major="视觉传达", description="毕业设计获奖")
    people.work_experience(user=person, description="负责品牌")
    people.portfolio(
        user=person, description="作品说明", cover_url="https://f.cn/cover.png", project_url="https://f.cn/project",
        media_urls=["https://f.cn/media.png"], client_name="某客户",
    )  # fmt: skip
    people.verification(
        "rejected", user=person, identity_number=people.IDENTITY_NUMBER, holder_name=HOLDER,
        document_keys=["documents/zhu.jpg"],
    )  # fmt: skip
    people.activity(user=person, ip_address="198.51.100.7", user_agent="Browser of Zhu", details={"from": "Shanghai"})
    UserSkill.objects.create(user=person, skill=Skill.objects.create(name="测试", slug="ce-shi", area="data"))
    person.groups.add(Group.objects.create(name="testers"))


def sold(person: User, client: User) -> None:
    gig = make.gig(freelancer=person, description="服务说明", cover_url="https://f.cn/gig.png")
    people.requirement(gig=gig)
    people.requirement(gig=gig, kind="choice", options=["红", "蓝"])
    people.faq(gig=gig)
    people.report(gig=gig, reporter=client, details="描述不符")
    order = make.order(package=make.package(gig=gig), client=client, requirements_text="请看附件")
    contracts.order_extra(order=order)
    contracts.requirement(order=order, answer="深蓝色", answered_at=timezone.now())
    contracts.message(order=order)
    contracts.message(order=order, sender=person)
    paid(order)
    order.advance("in_progress")
    asked = contracts.refund(order, "1.00", note="请退一元")
    with acting_as(person.pk):
        ledger.reject_refund(asked)
    Delivery.objects.submit(order, "初稿，请查收。", [{"name": "logo.svg", "url": "https://f.cn/1", "bytes": 2048}])
    with acting_as(client.pk):
        ledger.release_escrow(contracts.key(), order)
    order.refresh_from_db()
    contracts.review_request(order=order, message="请评价")
    review = talk.review(order, reply_text="谢谢", replied_at=timezone.now())
    talk.invitation(order)
    talk.invitation(order, invitee_id=person.pk)
    talk.review_report(review, reporter=person, details="不实")
    Review.objects.filter(pk=review.pk).update(status="published", published_at=timezone.now())
    UserRating.objects.create(user=person, role="freelancer")


def paid(order: Order) -> None:
    order.refresh_from_db()
    contracts.deposit(order.client_id, order.total_amount)
    with acting_as(order.client_id):
        ledger.hold_escrow(contracts.key(), order)
    order.refresh_from_db()


def bought(person: User, freelancer: User) -> None:
    package = make.package(gig=make.gig(freelancer=freelancer))
    quarrel = contracts.delivered_order(package=package, client=person)
    OrderDispute.objects.create(
        order=quarrel, raised_by=person, reason="quality", description="交付的内容与约定的需求不一致。"
    )
    quarrel.advance("disputed", reason="质量不符")
    staff = people.staff()
    decided = contracts.decided_dispute(quarrel, "refund", str(quarrel.total_amount))
    decided.resolution_note = "全额退款"
    with acting_as_platform():
        ledger.resolve_dispute(contracts.key(), decided, staff.pk)
    unpaid = make.order(package=package, client=person)
    asked = contracts.cancellation(order=unpaid, note="不需要了")
    asked.status, asked.answer, asked.answered_at = "accepted", "同意", timezone.now()
    asked.save()
    unpaid.advance("cancelled", reason="不需要了")
    done = contracts.completed_order(package=package, client=person)
    ReviewHelpful.objects.create(review=talk.review(), user=person)
    talk.review(done)


def talked(person: User, other: User) -> None:
    conversation = talk.conversation(person, other)
    mine = talk.message(conversation, sender_id=person.pk)
    theirs = talk.message(conversation, sender_id=other.pk)
    talk.attachment(mine)
    MessageReaction.objects.create(message=theirs, user=person, emoji="👍")
    talk.message_report(theirs, reporter_id=person.pk, details="骚扰")
    MessageTemplate.objects.create(owner=person, occasion="greeting", title="问候", body="您好，很高兴为您服务。")
    BlockedUser.objects.create(blocker=person, blocked=make.user(), note="不再联系")
    BlockedUser.objects.create(blocker=make.user(), blocked=person, note="是他")


def looked_around(person: User) -> None:
    gig = make.gig()
    people.favorite(user=person, gig=gig)
    people.view(viewer=person, gig=gig)
    people.search(user=person, query_text="水下摄影", filters={"city": "上海"})
    people.report(gig=gig, reporter=person, details="抄袭")


def paid_out(person: User) -> None:
    account = contracts.payment_method(
        user=person, kind="bank_card", account_number=ACCOUNT, holder_name=HOLDER, label="我的工资卡",
        bank_code="102100099996", bank_name="工商银行", last_characters="9999",
    )  # fmt: skip
    failed = contracts.withdrawal(person, "2.00", account)
    with acting_as_platform():
        ledger.submit_payouts("bank_card")
        ledger.fail_withdrawal(contracts.key(), failed, "户名不符")
    rest = contracts.withdrawal(person, str(Wallet.objects.get(user=person).balance), account)
    with acting_as_platform():
        ledger.submit_payouts("bank_card")
        ledger.settle_withdrawal(rest, contracts.key())
    assert Wallet.objects.get(user=person).balance == Decimal(0)
