"""What is kept of a host: snapshots of statements, reports of the log (a month), and samples of capacity (a year)."""

import datetime
import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import freelance_capacity
from freelance_jobs import JobError, Postponed, run_tool
from freelance_upkeep import expired
from freelance_upkeep_server import Capacity, Config, ask, statements

# The server's logs are named by the weekday: that of a week ago is overwritten today.
LOG_DAYS = 6


def folder(config: Config, name: str) -> Path:
    """Give the folder of what is kept, made by the role: for postgres alone, as statements show people's data."""
    return Path(config.status_dir) / name


def forget(config: Config, name: str, now: datetime.datetime) -> None:
    """Remove what is older than wanted, and what an interrupted run left."""
    held = [path.name for path in folder(config, name).iterdir()]
    gone = [*expired(held, now, config.keep_days), *(one for one in held if one.startswith("."))]
    for one in set(gone):
        (folder(config, name) / one).unlink()


def snapshot(config: Config, now: datetime.datetime) -> Mapping[str, float]:
    """Keep what each statement has cost so far; two snapshots tell what it cost between them."""
    held = statements(config)
    taken = {"taken": f"{now:%Y-%m-%dT%H:%M:%SZ}", **held}
    path = folder(config, "statements") / f"statements_{now:%Y%m%d_%H%M%S}.json.gz"
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(gzip.compress(json.dumps(taken).encode()))
    partial.rename(path)
    forget(config, "statements", now)
    return {"statements": len(held["statements"]), "bytes": path.stat().st_size}


def log_names(config: Config) -> tuple[Path, str, str]:
    """Tell where the server writes its logs, how they are named by their day, and how their lines begin."""
    names = ("logging_collector", "log_directory", "log_filename", "log_line_prefix", "data_directory")
    asked = ", ".join(f"'{name}', current_setting('{name}')" for name in names)
    settings = json.loads(ask(config, "postgres", f"SELECT json_build_object({asked})"))
    if settings["logging_collector"] != "on":
        raise JobError("logging_collector is off, so there is no log of one day: Patroni's role turns it on")
    place = Path(settings["data_directory"]) / settings["log_directory"]  # an absolute one counts alone
    return place, settings["log_filename"], settings["log_line_prefix"]


def page(config: Config, day: datetime.date) -> Path:
    """Name the page about a day's log."""
    return folder(config, "reports") / f"postgresql_{day:%Y%m%d}.html"


def unread(config: Config, now: datetime.datetime) -> tuple[dict[datetime.date, Path], str]:
    """Give the logs of past days (the host's) without a page, oldest first, and how their lines begin."""
    place, name, prefix = log_names(config)
    found = {}
    for ago in range(min(LOG_DAYS, config.keep_days), 0, -1):
        day = now.astimezone().date() - datetime.timedelta(days=ago)
        log = place / day.strftime(name)
        if page(config, day).exists() or not log.exists():
            continue
        # A file of last week has the same name; the last line of a day may be written after midnight.
        written = datetime.date.fromtimestamp(log.stat().st_mtime)
        if day <= written <= day + datetime.timedelta(days=1):
            found[day] = log
    return found, prefix


def report(config: Config, now: datetime.datetime, obstacle: Callable[[], str]) -> Mapping[str, float]:
    """Let pgBadger read the logs that have no page yet, each when nothing stands in the way. Literals are masked."""
    logs, prefix = unread(config, now)
    forget(config, "reports", now)
    options = ["--quiet", "--anonymize", "--format=stderr", f"--prefix={prefix}"]
    for day, log in logs.items():
        if why := obstacle():
            raise Postponed(why)
        path = page(config, day)
        partial = path.with_name(f".{path.name}")
        run_tool(["nice", "pgbadger", *options, f"--title={day:%Y-%m-%d}", f"--outfile={partial}", str(log)])
        partial.rename(path)
    return {"bytes": sum(page(config, day).stat().st_size for day in logs), "pages": len(logs)}


def capacity_file(config: Config) -> Path:
    """Name the file of the samples, which show_capacity.yml reads."""
    return Path(config.status_dir) / "capacity.jsonl"


def capacity(config: Config) -> Mapping[str, float]:
    """Add a sample of what may run out. It is kept where somebody did not answer, too."""
    wanted = Capacity(**config.capacity)
    asked = (str(wanted.pooler_port), f"{config.socket_dir}:{config.port}") if wanted.has_server else ("0", "-")
    words = (str(capacity_file(config)), wanted.database, *asked, ",".join(wanted.folders))
    samples = freelance_capacity.main(wanted.host, "write", *words)
    if problems := samples[-1].get("problems"):
        raise JobError("; ".join(problems))
    return {"samples": len(samples)}
