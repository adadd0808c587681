"""What people write to each other, and what they think of it."""

from collections.abc import Iterator
from random import Random

from apps.seeding import texts
from apps.seeding.chance import HOUR, MINUTE, NOW, SECOND, happens, moment, pick
from apps.seeding.market import Market
from apps.seeding.table import Row, Table
from apps.seeding.talk import Talk

FILES = (
    ("需求说明.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("参考图.jpg", "image/jpeg"),
    ("初稿.pdf", "application/pdf"),
    ("语音.mp3", "audio/mpeg"),
)
EMOJI = ("👍", "❤️", "😄", "🎉", "🙏", "👀", "✅")
ATTACHED, REACTED, REPORTED, BLOCKED = 0.15, 0.2, 0.003, 0.005


def conversations(market: Market, chance: Random) -> Iterator[Row]:
    for talk in market.talks:
        low, high = talk.pair
        last = moment(talk.message_at(talk.messages - 1))
        yield (
            talk.key, moment(talk.began), last, low, high, talk.gig.key if talk.gig else None,
            talk.deal.key if talk.deal else None, talk.messages, last, happens(chance, 0.05), happens(chance, 0.05),
        )  # fmt: skip


def message_key(market: Market, talk: Talk, place: int) -> str:
    return market.keys("messaging_message", f"{talk.key}-{place}", talk.message_at(place))


def messages(market: Market, chance: Random) -> Iterator[Row]:
    for talk in market.talks:
        for place in range(talk.messages):
            at = talk.message_at(place)
            written = moment(at)
            # The last one may be unread still, all before it were answered.
            read = place < talk.messages - 1 or happens(chance, 0.8)
            read_at = moment(at + chance.randint(5, 1500) * SECOND) if read else None
            recalled_at = moment(at + 90 * SECOND) if happens(chance, 0.003) else None
            yield (
                message_key(market, talk, place), written, recalled_at or read_at or written, talk.key,
                talk.sender(place).key, place + 1, chance.choice(texts.TALK), read_at, recalled_at,
            )  # fmt: skip


def _chosen(market: Market, chance: Random, share: float) -> Iterator[tuple[Talk, int]]:
    """Yield a message of that share of the conversations, by its place."""
    for talk in market.talks:
        if chance.random() < share:
            yield talk, chance.randrange(talk.messages)


def attachments(market: Market, chance: Random) -> Iterator[Row]:
    for talk, place in _chosen(market, chance, ATTACHED):
        key, at = message_key(market, talk, place), talk.message_at(place)
        name, mime_type = chance.choice(FILES)
        status = pick(chance, (("clean", 0.98), ("infected", 0.01), ("pending", 0.01)))
        yield (
            market.keys("messaging_messageattachment", key, at), moment(at), moment(at), key, 1, name, mime_type,
            int(chance.lognormvariate(13, 1.5)) % 50_000_000 + 1, f"{chance.getrandbits(256):064x}", f"message/{key}/1",
            status,
        )  # fmt: skip


def reactions(market: Market, chance: Random) -> Iterator[Row]:
    for talk, place in _chosen(market, chance, REACTED):
        key, at = message_key(market, talk, place), talk.message_at(place) + MINUTE
        reader = talk.sender(place + 1)
        yield (
            market.keys("messaging_messagereaction", key, at), moment(at), moment(at), key, reader.key,
            chance.choice(EMOJI),
        )  # fmt: skip


def reports(market: Market, chance: Random) -> Iterator[Row]:
    for talk, place in _chosen(market, chance, REPORTED):
        key, at = message_key(market, talk, place), talk.message_at(place) + 10 * MINUTE
        handled = at + chance.randint(1, 48) * HOUR
        status = "open" if handled >= NOW else chance.choice(("upheld", "dismissed"))
        done = status != "open"
        yield (
            market.keys("messaging_messagereport", key, at), moment(at), moment(handled if done else at),
            talk.sender(place + 1).key, chance.choice(("spam", "abuse", "off_platform")), "", status,
            chance.choice(market.staff).key if done else None, moment(handled) if done else None,
            "已核实。" if done else "", key,
        )  # fmt: skip


def blocks(market: Market, chance: Random) -> Iterator[Row]:
    blocked: set[tuple[str, str]] = set()
    for talk, place in _chosen(market, chance, BLOCKED):
        blocker, other = talk.sender(place), talk.sender(place + 1)
        if (blocker.key, other.key) not in blocked:
            blocked.add((blocker.key, other.key))
            # In the last hour: after every message of the two.
            at = NOW - chance.randint(1, 59) * MINUTE
            key = market.keys("messaging_blockeduser", f"{blocker.number}-{other.number}", at)
            yield key, moment(at), moment(at), blocker.key, other.key, ""


def templates(market: Market, chance: Random) -> Iterator[Row]:
    for person in market.people:
        if person.offers and happens(chance, 0.1):
            at = person.joined + HOUR
            yield (
                market.keys("messaging_messagetemplate", person.number, at), moment(at), moment(at), person.key,
                "greeting", "常用问候", chance.choice(texts.TALK), 0, True,
            )  # fmt: skip


TABLES = (
    Table(
        "messaging_conversation",
        "id created_at updated_at participant_low_id participant_high_id gig_id order_id last_message_number"
        " last_message_at archived_by_low archived_by_high",
        conversations,
    ),
    Table(
        "messaging_message",
        "id created_at updated_at conversation_id sender_id number body read_at recalled_at",
        messages,
    ),
    Table(
        "messaging_messageattachment",
        "id created_at updated_at message_id position file_name mime_type size_bytes sha256 storage_key status",
        attachments,
    ),
    Table("messaging_messagereaction", "id created_at updated_at message_id user_id emoji", reactions),
    Table(
        "messaging_messagereport",
        "id created_at updated_at reporter_id reason details status handled_by_id handled_at resolution message_id",
        reports,
    ),
    Table("messaging_blockeduser", "id created_at updated_at blocker_id blocked_id note", blocks),
    Table(
        "messaging_messagetemplate",
        "id created_at updated_at owner_id occasion title body sort_order is_active",
        templates,
    ),
)
