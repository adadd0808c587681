"""People, what they tell of themselves, and what they did."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from uuid import UUID

from apps.accounts.models import User, UserPrivate, UserProfile
from apps.common.encryption.columns import SealedTable
from apps.common.search.words import dictionary_version, tsvector
from apps.seeding import texts
from apps.seeding.chance import DAY, HOUR, MINUTE, NOW, happens, later, moment, pick
from apps.seeding.market import Market, Person
from apps.seeding.table import Row, Table

ACTIVITIES_PER_PERSON = 4
ACTIONS = (
    ("login", 0.7), ("logout", 0.1), ("login_failed", 0.06), ("profile_updated", 0.06), ("order_placed", 0.05),
    ("password_changed", 0.02), ("contact_changed", 0.009), ("data_exported", 0.001),
)  # fmt: skip
CHANNELS = (("mini_program", 0.4), ("ios", 0.2), ("android", 0.2), ("web", 0.15), ("mobile_web", 0.05))
LANGUAGES = (["zh"], ["zh"], ["zh"], ["zh", "en"], ["zh", "en"], ["zh", "yue"], ["zh", "ja"])


def users(market: Market, chance: Random) -> Iterator[Row]:
    for person in market.accounts:
        joined = moment(person.joined)
        yield (
            person.key, f"!{chance.getrandbits(160):040x}", moment(later(chance, person.joined, NOW)), False, joined,
            joined, f"{person.pinyin}{person.number}", person.name[0] + chance.choice(texts.NICKNAME_ENDINGS),
            person.kind, person.status, "", person.headline if person.kind != "client" else "",
            chance.choices(texts.REGIONS, _REGION_WEIGHTS)[0], person.is_staff,
        )  # fmt: skip


def private(market: Market, chance: Random) -> Iterator[Row]:
    table = SealedTable.of(UserPrivate)
    fields = {field.name: field for field in table.fields}

    def sealed(person: Person, name: str, text: str | None) -> Iterator[bytes | None]:
        return table.sealed(fields[name], UUID(person.key), text, chance.randbytes)

    for person in market.accounts:
        verified = moment(person.joined + 5 * MINUTE)
        # Numbers that begin with 154 were never given to anybody; example.com (RFC 2606) belongs to nobody.
        has_email, has_wechat = happens(chance, 0.6), happens(chance, 0.5)
        email = f"{person.pinyin}{person.number}@example.com" if has_email else None
        wechat = f"wx_{person.pinyin[:6]}{person.number:08d}" if has_wechat else None
        yield (
            person.key, *sealed(person, "phone_number", f"+86154{person.number:08d}"), verified,
            *sealed(person, "email", email), verified if has_email else None,
            *sealed(person, "wechat_id", wechat), *sealed(person, "real_name", person.name),
            verified,
        )  # fmt: skip


def profiles(market: Market, chance: Random) -> Iterator[Row]:
    version = dictionary_version()
    for person in market.people:
        if person.kind == "client" and happens(chance, 0.7):
            continue
        offers = person.kind != "client"
        created = moment(person.joined + HOUR)
        profile = UserProfile(
            user=User(headline=person.headline if offers else ""),
            bio="".join(chance.sample(texts.SENTENCES, 2)) if offers else "",
            company_name=_company(chance) if happens(chance, 0.4) else "",
            job_title=chance.choice(texts.JOB_TITLES[person.area]) if offers else "",
        )
        yield (
            tsvector(profile.search_texts()), version, person.key, profile.bio,
            pick(chance, (("available", 0.7), ("busy", 0.2), ("unavailable", 0.1))),
            chance.randint(3, 60) * 10 if offers else None, "CNY", chance.choice((10, 20, 30, 40)) if offers else None,
            json.dumps(chance.choice(LANGUAGES)), chance.choice(texts.REGIONS), profile.company_name,
            profile.job_title, "", None, created, created,
        )  # fmt: skip


def user_skills(market: Market, chance: Random) -> Iterator[Row]:
    for person in _freelancers(market):
        known = market.catalogue.skills[person.area]
        created = person.joined + HOUR
        for skill in chance.sample(known, min(len(known), chance.randint(1, 6))):
            key = market.keys("accounts_userskill", f"{person.number}{skill}", created)
            level = pick(chance, (("beginner", 0.1), ("intermediate", 0.4), ("advanced", 0.35), ("expert", 0.15)))
            yield key, moment(created), moment(created), person.key, skill, level, min(int(chance.expovariate(0.2)), 30)


def educations(market: Market, chance: Random) -> Iterator[Row]:
    for person in _freelancers(market):
        created = person.joined + 2 * HOUR
        if happens(chance, 0.3):
            continue
        started = date(chance.randint(1995, 2021), 9, 1)
        degree, years = pick(chance, ((("bachelor", 4), 0.6), (("associate", 3), 0.3), (("master", 3), 0.1)))
        yield (
            market.keys("accounts_education", person.number, created), moment(created), moment(created), person.key,
            chance.choice(texts.SCHOOLS), degree, chance.choice(texts.MAJORS), started,
            date(started.year + years, 6, 30), "",
        )  # fmt: skip


def work_experiences(market: Market, chance: Random) -> Iterator[Row]:
    for person in _freelancers(market):
        created = person.joined + 2 * HOUR
        started = date(chance.randint(2008, 2020), chance.randint(1, 12), 1)
        for number in range(chance.choice((0, 1, 1, 2))):
            ended = started + timedelta(days=chance.randint(200, 900))
            yield (
                market.keys("accounts_workexperience", f"{person.number}-{number}", created), moment(created),
                moment(created), person.key, _company(chance),
                chance.choice(texts.JOB_TITLES[person.area]), "full_time", started, ended,
                chance.choice(texts.SENTENCES),
            )  # fmt: skip
            started = ended


def portfolios(market: Market, chance: Random) -> Iterator[Row]:
    for person in _freelancers(market):
        for number in range(chance.choice((0, 1, 1, 2, 3))):
            created = person.joined + (3 + number) * HOUR
            address = f"https://media.example.com/portfolio/{person.number}/{number}"
            yield (
                market.keys("accounts_portfolio", f"{person.number}-{number}", created), moment(created),
                moment(created), person.key, f"{chance.choice(texts.STYLES)}作品{number + 1}",
                chance.choice(texts.SENTENCES), f"{address}.jpg", json.dumps([f"{address}-1.jpg", f"{address}-2.jpg"]),
                "", _company(chance), moment(created - 30 * DAY).date(), happens(chance, 0.95), number,
            )  # fmt: skip


def verifications(market: Market, chance: Random) -> Iterator[Row]:
    for person in _freelancers(market):
        for kind in ("real_name", "education")[: chance.choice((1, 1, 2))]:
            created = person.joined + chance.randint(2, 40) * HOUR
            status = pick(chance, (("approved", 0.85), ("rejected", 0.1), ("in_review", 0.03), ("submitted", 0.02)))
            reviewed = created + chance.randint(1, 24) * HOUR if status in {"approved", "rejected"} else None
            yield (
                market.keys("accounts_userverification", f"{person.number}{kind}", created), moment(created),
                moment(reviewed or created), person.key, kind, status,
                json.dumps([f"verification/{person.number}/{kind}.jpg"]),
                None if status == "submitted" else chance.choice(market.staff).key,
                moment(reviewed) if reviewed else None,
                "证件照片不清晰，请重新上传。" if status == "rejected" else "", None,
            )  # fmt: skip


def activities(market: Market, chance: Random) -> Iterator[Row]:
    # A few are there every day, most now and then.
    for person in market.people:
        for number in range(min(int(chance.paretovariate(1.3) * ACTIVITIES_PER_PERSON / 3), 200)):
            at = later(chance, person.joined, NOW)
            yield (
                moment(at), market.keys("accounts_useractivitylog", f"{person.number}-{number}", at), person.key,
                pick(chance, ACTIONS), pick(chance, CHANNELS),
                # TEST-NET-3 (RFC 5737) is nobody's address.
                f"203.0.113.{person.number % 254 + 1}", chance.choice(texts.AGENTS), "{}",
            )  # fmt: skip


def _freelancers(market: Market) -> Iterator[Person]:
    return (person for person in market.people if person.offers)


def _company(chance: Random) -> str:
    parts = (texts.COMPANY_CITIES, texts.COMPANY_NAMES, texts.COMPANY_KINDS)
    return "".join(chance.choice(part) for part in parts)


_REGION_WEIGHTS = [1 / (rank + 2) for rank in range(len(texts.REGIONS))]
TABLES = (
    Table(
        "accounts_user",
        "id password last_login is_superuser created_at updated_at username nickname user_type status avatar_url"
        " headline region_code is_staff",
        users,
    ),
    Table(
        "accounts_userprivate",
        "user_id phone_number_sealed phone_number_index phone_verified_at email_sealed email_index email_verified_at"
        " wechat_id_sealed wechat_id_index real_name_sealed updated_at",
        private,
    ),
    Table(
        "accounts_userprofile",
        "search_vector search_version user_id bio availability hourly_rate currency weekly_hours languages"
        " working_city_code company_name job_title portfolio_url response_time_minutes created_at updated_at",
        profiles,
    ),
    Table("accounts_userskill", "id created_at updated_at user_id skill_id level years_of_experience", user_skills),
    Table(
        "accounts_education",
        "id created_at updated_at user_id school degree major started_on ended_on description",
        educations,
    ),
    Table(
        "accounts_workexperience",
        "id created_at updated_at user_id company title employment_type started_on ended_on description",
        work_experiences,
    ),
    Table(
        "accounts_portfolio",
        "id created_at updated_at user_id title description cover_url media_urls project_url client_name completed_on"
        " is_public sort_order",
        portfolios,
    ),
    Table(
        "accounts_userverification",
        "id created_at updated_at user_id kind status document_keys reviewer_id reviewed_at rejection_reason"
        " expires_at",
        verifications,
    ),
    Table(
        "accounts_useractivitylog",
        "created_at id user_id action channel ip_address user_agent details",
        activities,
    ),
)
