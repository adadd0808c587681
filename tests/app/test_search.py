"""Chinese full-text search: what people type is found, whatever stands around it, and stays found."""

import io
import json
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any

import factories as make
import factories_talk as talk
import pytest
import search_corpus
from apps.accounts.models import User, UserProfile
from apps.common.identity import acting_as
from apps.common.search import words
from apps.common.search.models import RANKED_MAX
from apps.common.search.rebuild import rebuild, searchable_models
from apps.gigs.models import Gig
from apps.reviews.models import Review
from django.core.management import call_command
from django.db import connections, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

CHINESE = st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=30)
# Characters that often form words together, so that words overlap.
WORDY = st.text(alphabet="小程序商城开发设计视频剪辑师品牌标志研究生命起源哈中国人民大学", max_size=30)


# ---- the words
@settings(deadline=None)  # the first example reads the dictionaries
@given(CHINESE | WORDY)
def test_the_index_holds_each_word_at_its_place(text: str) -> None:
    found = set(words.every_word(words.normalised(text)))
    text = words.normalised(text)
    assert all(text.startswith(word, start) for word, start in found)
    lengths = range(2, 8)
    pieces = {(text[i : i + n], i) for i in range(len(text)) for n in lengths if i + n <= len(text)}
    cutter = words._cutter()
    assert {piece for piece in pieces if cutter.cut(piece[0], hmm=False) == [piece[0]]} <= found


@settings(deadline=None)  # the first example reads the dictionaries
@given(CHINESE | WORDY, CHINESE | WORDY, CHINESE | WORDY)
def test_a_query_asks_for_words_that_the_index_holds_whatever_surrounds_them(a: str, query: str, b: str) -> None:
    a, query, b = (words.normalised(text) for text in (a, query, b))
    held = set(words.every_word(a + query + b))
    wanted = [(word, start + len(a)) for stretch in words.fewest_words(query) for word, start in stretch]
    assert set(wanted) <= held


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("小程序商城开发", "'小程序' & '商城' & '开发'"),
        ("小程序开发", "'小程序' & '开发'"),
        ("小程序，　ＬＯＧＯ设计", "'小程序' & 'logo' & '设计'"),
        ("我想要设计的海报", "'设计' & '海报'"),
        ("邓紫棋海报", "'邓' <1> '紫' <1> '棋' <1> '海报'"),
        ("C++ 与 C# 程序", "'c++' & 'c#' & '程序'"),
        ("T恤 B站", "'t' <1> '恤' & 'b' <1> '站'"),
        ("Node.js", "'node' & 'js'"),
        ("的", "'的'"),
        ("it's \\ ' : & | ! ( ) * <-> --", "'it' & 's'"),
        ("  ，。！ ", ""),
        ("", ""),
    ],
)
def test_a_query_becomes_words(typed: str, asked: str) -> None:
    assert words.tsquery(typed) == asked


def test_words_of_the_trade_stay_whole_and_are_units() -> None:
    trade = words.trade_words()
    assert len(trade) == len(set(trade)) > 100
    for word in trade:
        assert [cut for cut, _ in next(words.fewest_words(word))] == [word]
        assert word == unicodedata.normalize("NFKC", word).lower()


def test_another_dictionary_has_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = words.dictionary_version()
    more = tmp_path / "words.txt"
    more.write_text(words.TRADE_WORDS.read_text(encoding="utf-8") + "元宇宙\n", encoding="utf-8")
    monkeypatch.setattr(words, "TRADE_WORDS", more)
    words.dictionary_version.cache_clear()
    try:
        assert words.dictionary_version() != before
    finally:
        words.dictionary_version.cache_clear()


# ---- rows that are found
@pytest.mark.usefixtures("database")
class TestRows:
    @pytest.mark.parametrize(
        ("title", "typed"),
        [
            ("专业小程序商城开发", "开发"),
            ("专业小程序商城开发", "商城小程序"),
            ("资深UI设计师一对一", "设计"),
            ("资深UI设计师一对一", "ｕｉ"),
            ("邓紫棋风格翻唱录制", "邓紫棋"),
            ("英语论文润色翻译", "语论"),
            ("T恤图案设计｜国潮", "t恤"),
        ],
    )
    def test_a_gig_is_found(self, title: str, typed: str) -> None:
        gig = make.gig(title=title)
        assert list(Gig.objects.filter(freelancer=gig.freelancer).matching(typed)) == [gig]

    @pytest.mark.parametrize("typed", ["翻译", "棋紫邓", "设计小程序开发", "，", "", "'; DROP TABLE"])
    def test_what_a_gig_does_not_say_is_not_found(self, typed: str) -> None:
        gig = make.gig(title="专业小程序商城开发")
        assert not Gig.objects.filter(freelancer=gig.freelancer).matching(typed).exists()

    def test_characters_at_the_seam_of_two_texts_make_no_word(self) -> None:
        gig = make.gig("draft", title="专业标志制作小", description="程序员也会画画")
        assert not Gig.objects.filter(pk=gig.pk).matching("小程序").exists()
        assert not Gig.objects.filter(pk=gig.pk).matching("作小程").exists()
        # The end of a text is its last character, also where no word stands there.
        gig.title, gig.description = "专业标志制作" + "犇" * 30, "羴" * 60
        gig.save()
        assert not Gig.objects.filter(pk=gig.pk).matching("犇羴").exists()

    def test_a_word_in_the_title_counts_more_than_in_the_description(self) -> None:
        owner = make.user(user_type="freelancer")
        low = make.gig(title="高端画册与海报", description="也做包装设计。", freelancer=owner)
        high = make.gig(title="礼盒包装设计服务", description="满意为止。", freelancer=owner)
        newest_first = make.gig(title="高端名片与画册", description="包装、设计都做。", freelancer=owner)
        found = Gig.objects.filter(freelancer=owner).search("包装设计")
        assert list(found) == [high, low, newest_first]

    def test_of_a_word_that_very_many_rows_have_the_newest_are_ranked(self) -> None:
        assert f"LIMIT {RANKED_MAX}" in str(Gig.objects.active().search("设计").query)

    def test_a_profile_is_found_by_headline_job_and_biography(self) -> None:
        user = make.user(headline="十年品牌设计师")
        profile = UserProfile.objects.create(user=user, job_title="美术指导", bio="擅长插画与绘本。")
        mine = UserProfile.objects.active().filter(user=user)
        for typed in ("品牌", "美术", "插画", "品牌 绘本"):
            assert list(mine.matching(typed)) == [profile]
        user.headline = "资深摄影师"
        user.save()
        assert not mine.matching("品牌").exists()
        assert list(mine.matching("摄影 插画")) == [profile]

    def test_a_review_is_found_by_what_it_and_its_reply_say(self) -> None:
        review = talk.review(content="沟通顺畅，配色大胆。", status="published", published_at=talk.MOMENT)
        review.reply_text, review.replied_at = "感谢支持，期待再次合作！", talk.MOMENT
        with acting_as(review.subject_id):
            review.save(update_fields=["reply_text", "replied_at"])
        mine = Review.objects.filter(pk=review.pk)
        assert list(mine.matching("配色")) == list(mine.matching("合作")) == [review]

    @pytest.mark.parametrize("letters", ["a" * 5000, "a1" * 2500, "9" * 2047, "ﬃ" * 1700])
    def test_letters_without_an_end_are_kept_and_found(self, letters: str) -> None:
        gig = make.gig("draft", title="专业标志设计服务", description=letters[:5000])
        mine = Gig.objects.filter(pk=gig.pk)
        assert list(mine.matching(f"设计 {letters}")) == [gig]
        assert not mine.matching(f"{letters}b").exists()

    def test_the_words_are_never_loaded(self) -> None:
        gig = Gig.objects.get(pk=make.gig().pk)
        assert gig.search_vector is None
        gig.save()
        assert Gig.objects.filter(pk=gig.pk).matching("设计").exists()


# ---- words that stay current
def stored_version(gig: Gig) -> int:
    return Gig.objects.values_list("search_version", flat=True).get(pk=gig.pk)


@pytest.mark.usefixtures("database")
class TestCurrent:
    def test_every_way_to_save_writes_the_words(self) -> None:
        current = words.dictionary_version()
        gig = make.gig("draft", title="专业标志设计服务")
        assert stored_version(gig) == current
        gig.title = "专业视频剪辑服务"
        gig.save(update_fields=["title"])
        other = Gig(title="英语论文翻译服务", freelancer=gig.freelancer, category=gig.category)
        Gig.objects.bulk_create([other])
        mine = Gig.objects.filter(freelancer=gig.freelancer)
        assert list(mine.matching("剪辑")) == [gig]
        assert list(mine.matching("翻译")) == [other]
        assert not mine.matching("标志").exists()
        assert stored_version(gig) == stored_version(other) == current

    def test_a_change_beside_the_words_marks_the_row_and_a_rebuild_finds_it(self) -> None:
        gig = make.gig(title="专业标志设计服务")
        mine = Gig.objects.filter(pk=gig.pk)
        mine.update(title="专业视频剪辑服务")
        assert stored_version(gig) == 0
        assert sum(rebuild(Gig, "default", 10)) >= 1
        assert mine.matching("剪辑").exists()
        assert not mine.matching("标志").exists()
        assert stored_version(gig) == words.dictionary_version()

    def test_a_change_of_something_else_marks_nothing(self) -> None:
        gig = make.gig()
        Gig.objects.filter(pk=gig.pk).update(rating_average=5, rating_count=1)
        assert stored_version(gig) == words.dictionary_version()

    def test_a_headline_changed_beside_the_account_marks_the_profile(self) -> None:
        profile = UserProfile.objects.create(user=make.user(headline="摄影师"), bio="")
        User.objects.filter(pk=profile.pk).update(headline="翻译")
        assert sum(rebuild(UserProfile, "default", 10)) >= 1
        assert UserProfile.objects.filter(pk=profile.pk).matching("翻译").exists()

    def test_rows_of_another_dictionary_are_stale(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gig = make.gig()
        monkeypatch.setattr("apps.common.search.rebuild.dictionary_version", lambda: 7)
        assert sum(rebuild(Gig, "default", 10)) >= 1
        assert stored_version(gig) == 7


def test_a_rebuild_goes_on_where_it_was_stopped_and_says_so(deployed: str) -> None:
    with transaction.atomic(using=deployed):
        fill(deployed, 25)
    before = words.dictionary_version()
    assert next(rebuild(Gig, deployed, 10)) == 10
    assert report(deployed, "--check")["stale"]["gigs_gig"] == 15
    done = report(deployed, "--batch-rows", "4")
    assert (done["rebuilt"]["gigs_gig"], done["stale"]["gigs_gig"], done["dictionary"]) == (15, 0, before)
    assert report(deployed)["rebuilt"] == {model._meta.db_table: 0 for model in searchable_models()}


def report(alias: str, *options: str) -> dict[str, Any]:
    output = io.StringIO()
    call_command("rebuild_search_index", "--database", alias, *options, stdout=output)
    return dict(json.loads(output.getvalue().splitlines()[-1]))


def fill(alias: str, rows: int | None = None) -> None:
    """Write the corpus as plain SQL does: without words."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_user (username, password, nickname, user_type, status, avatar_url, headline,"
            " region_code, is_staff, is_superuser)"
            " VALUES ('corpus', '', '', 'freelancer', 'active', '', '', '', false, false)"
        )
        cursor.executemany(
            "INSERT INTO gigs_gig (freelancer_id, category_id, title, description, status, cover_url, rating_average,"
            " rating_count) SELECT u.id, c.id, %s, %s, 'draft', '', 0, 0 FROM accounts_user AS u, gigs_category AS c"
            " WHERE u.username = 'corpus' AND c.slug = 'biao-zhi-she-ji'",
            search_corpus.gigs()[:rows],
        )


# ---- the labelled set
def test_the_labelled_set_is_the_one_that_its_program_writes() -> None:
    assert search_corpus.load() == search_corpus.queries()
    assert len(search_corpus.load()) >= 300


def test_recall_against_like_on_the_labelled_set(
    deployed: str, capsys: pytest.CaptureFixture[str], record_property: Any
) -> None:
    fill(deployed)
    report(deployed)
    gigs = Gig.objects.using(deployed)
    figures: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    two_characters_missed = []
    for query in search_corpus.load():
        like = set(gigs.filter(title__contains=query.text) | gigs.filter(description__contains=query.text))
        found = set(gigs.matching(query.text))
        first = gigs.search(query.text)[: min(10, query.gigs)]
        assert len(like) == query.gigs, query
        for key in (query.kind, "all"):
            for place, rows in enumerate((like, found, like & found, set(first), like & set(first))):
                figures[key][place] += len(rows)
        if query.kind == "two_characters" and like - found:
            two_characters_missed.append(query)
    with capsys.disabled():
        for kind, (like_rows, found_rows, both, first_rows, first_both) in figures.items():
            recall, precision, first_ten = both / like_rows, both / found_rows, first_both / first_rows
            record_property(f"search_{kind}", {"recall": recall, "precision": precision, "first_ten": first_ten})
            print(
                f"\n  search against LIKE, {kind}: recall {recall:.2%}, precision {precision:.2%}"
                f", of the first ten {first_ten:.2%}", end="",
            )  # fmt: skip
    assert two_characters_missed == []
    assert figures["all"][2] >= 0.99 * figures["all"][0]
