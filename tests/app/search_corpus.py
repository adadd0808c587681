"""Realistic gigs and the queries that people would type: the labelled set of the search tests.

Run as a program it writes data/search_queries.json. Titles and queries are put together from phrases that people
wrote, never by the cutter that is under test. A query's label is how many gigs hold it letter by letter.
"""

import json
import random
import re
from pathlib import Path
from typing import NamedTuple

QUERIES = Path(__file__).with_name("data") / "search_queries.json"
GIGS = 1500

# What is worked on, and what is done with it.
TRADES = {
    (
        "小程序 微信小程序 商城小程序 公众号 官网 企业官网 电商网站 后台管理系统 进销存系统 APP 安卓应用 "
        "H5页面 ERP系统 浏览器插件"
    ): "开发 定制开发 二次开发 设计 部署 测试",
    (
        "Python爬虫 Excel宏 数据接口 支付接口 自动化脚本 Node.js服务 C++程序 Java项目 单片机程序 "
        "ChatGPT应用 知识库"
    ): "开发 调试 优化 对接 编写",
    (
        "品牌标志 LOGO 包装 海报 画册 名片 VI系统 UI界面 详情页 主图 易拉宝 展台 T恤图案 表情包 吉祥物 "
        "插画 绘本"
    ): "设计 绘制 修改 升级",
    "室内效果图 施工图 CAD图纸 3D模型 产品建模 景观方案 家装方案": "制作 绘制 渲染 深化",
    (
        "短视频 企业宣传片 婚礼视频 Vlog 直播切片 产品广告 片头动画 MG动画 二维动画 抖音视频"
    ): "剪辑 拍摄 制作 调色 配字幕",
    "有声书 广告 宣传片 动画角色 粤语旁白 英文课件": "配音 录制 后期",
    "原创歌曲 钢琴伴奏 背景音乐 儿歌": "作曲 编曲 混音 作词",
    (
        "品牌故事 小红书笔记 公众号文章 产品软文 商业计划书 投标书 年终总结 演讲稿 求职简历 毕业论文"
    ): "撰写 代写 润色 优化 排版",
    "英语论文 日语合同 韩语字幕 法语说明书 德语网站 俄语邮件 医学文献 专利文件": "翻译 校对 润色 听译",
    "PPT 演示文稿 路演PPT 培训课件 Excel报表 思维导图 Word文档": "美化 制作 排版 设计",
    "淘宝店铺 抖音账号 小红书账号 拼多多店铺 亚马逊店铺 微信社群 私域流量 直播间": "代运营 推广 诊断 装修 引流",
    "销售数据 问卷数据 医疗影像 语音数据 财务报表 电商数据": "分析 清洗 标注 可视化 建模",
    "公司注册 商标注册 代理记账 软件著作权 合同起草 劳动仲裁 税务筹划": "办理 咨询 指导",
    "雅思口语 考研数学 少儿编程 吉他 钢琴 职业规划 面试 留学文书": "辅导 教学 陪练 咨询",
}  # fmt: skip
STYLES = (
    "专业 原创 高端 简约 国潮 手绘 商务 创意 扁平风 科技感 极简风 复古 可爱 定制 一对一 资深设计师 大厂背景 全栈工程师 "
    "海归硕士 母语译员 十年经验 工作室"
)
BENEFITS = (
    "满意为止 提供源文件 免费修改 当天交付 加急可谈 支持开发票 包上架 包售后 可签合同 三天出初稿 全程沟通 不满意退款 "
    "含源码 送教程 终身维护 支持分期 无模板 包过审 保密协议"
)
SENTENCES = (
    "从业多年，服务过两百多家企业，覆盖教育、医疗、餐饮和跨境电商。",
    "下单前请先沟通需求，说明用途、风格、尺寸和完成时间。",
    "套餐包含两次免费修改，超出部分另外收费。",
    "交付内容包括源文件、预览图和使用说明。",
    "熟悉微信支付、支付宝、短信验证码和地图接口。",
    "擅长国潮、扁平、插画和极简风格，配色大胆，细节到位。",
    "所有作品均为原创，可以提供著作权转让证明。",
    "支持加急，节假日不休息，响应时间不超过一小时。",
    "使用 Photoshop、Illustrator、Figma 和 After Effects。",
    "技术栈：Vue3、React、Spring Boot、MySQL 与 Redis，代码规范，注释完整。",
    "按照平台流程下单付款，验收满意以后再确认完成。",
    "曾获得全国大学生广告艺术大赛一等奖。",
    "每个项目都有专人跟进，进度每天汇报。",
    "价格透明，没有隐形消费，长期合作有优惠。",
)
QUERIES_PER_KIND = {"phrase": 110, "title_part": 90, "sentence_part": 60, "any_characters": 60}


class LabelledQuery(NamedTuple):
    """What is typed, of what kind it is, and how many gigs hold it letter by letter."""

    text: str
    kind: str
    gigs: int


def gigs(count: int = GIGS) -> list[tuple[str, str]]:
    """Return titles and descriptions, always the same ones; more of them begin with those of fewer."""
    chance = random.Random(20_261_128)  # noqa: S311 (not for secrets)
    trades = [(things.split(), deeds.split()) for things, deeds in TRADES.items()]
    styles, benefits = STYLES.split(), BENEFITS.split()
    made: dict[str, str] = {}
    while len(made) < count:
        things, deeds = chance.choice(trades)
        thing, deed = chance.choice(things), chance.choice(deeds)
        style, benefit = chance.choice(styles), chance.choice(benefits)
        title = chance.choice([
            f"{style}{thing}{deed}", f"{thing}{deed}，{benefit}", f"{style}{thing}{deed}｜{benefit}",
            f"{thing}{deed} {style} {benefit}", f"【{benefit}】{thing}{deed}服务",
        ])  # fmt: skip
        others = "、".join(chance.sample(things, min(2, len(things))))
        sentences = chance.sample(SENTENCES, chance.randint(1, 4))
        made[title] = f"提供{style}{thing}{deed}服务，也可承接{others}。{''.join(sentences)}"
    return list(made.items())


def queries() -> list[LabelledQuery]:
    """Return the queries of every kind with their labels, always the same ones."""
    chance = random.Random(1)  # noqa: S311 (not for secrets)
    corpus = gigs()
    phrases = {word for things, deeds in TRADES.items() for word in (*things.split(), *deeds.split())}
    phrases |= {*STYLES.split(), *BENEFITS.split()}
    two_characters = sorted(phrase for phrase in phrases if len(phrase) == 2)
    stretches = [stretch for title, _ in corpus for stretch in re.findall(r"\w{4,}", title)]
    parts = [part for sentence in SENTENCES for part in re.findall(r"[一-龥]{2,8}|[A-Za-z0-9]{2,}", sentence)]
    chosen: dict[str, str] = dict.fromkeys(two_characters, "two_characters")

    def choose(kind: str, candidates: list[str]) -> None:
        fresh = [candidate for candidate in dict.fromkeys(candidates) if candidate not in chosen]
        chosen.update(dict.fromkeys(chance.sample(fresh, min(QUERIES_PER_KIND[kind], len(fresh))), kind))

    choose("phrase", sorted(phrases))
    choose("title_part", [f"{thing}{deed}" for t, d in TRADES.items() for thing in t.split() for deed in d.split()])
    choose("sentence_part", parts)
    # Across the borders of words: nobody types these, LIKE finds them nevertheless.
    starts = [(stretch, chance.randrange(len(stretch) - 2)) for stretch in chance.sample(stretches, 400)]
    choose("any_characters", [s[i : i + chance.randint(2, 3)] for s, i in starts if re.fullmatch("[一-龥]+", s)])
    labelled = [LabelledQuery(text, kind, held_by(text, corpus)) for text, kind in chosen.items()]
    return [query for query in labelled if query.gigs]


def held_by(text: str, corpus: list[tuple[str, str]]) -> int:
    """Return how many gigs hold the text in title or description, as LIKE would find it."""
    return sum(text in title or text in description for title, description in corpus)


def load() -> list[LabelledQuery]:
    """Return the queries as the file has them."""
    return [LabelledQuery(*row) for row in json.loads(QUERIES.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    rows = ",\n".join(json.dumps(query, ensure_ascii=False) for query in queries())
    QUERIES.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
