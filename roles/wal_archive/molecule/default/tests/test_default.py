"""What only a repository host refuses; test_archive.py has what holds for any repository."""

testinfra_hosts = ["ansible://database"]


def test_another_stanza_is_refused_by_the_repository(host):
    refused = host.run("cd / && sudo -u postgres pgbackrest --stanza=other info")
    assert "access denied" in refused.stdout, refused.stdout + refused.stderr


def test_what_serves_backups_gives_way_to_all_else(host):
    asked = "systemctl show --property=CPUSchedulingPolicy,CPUWeight,CPUQuotaPerSecUSec pgbackrest.service"
    # 5 is idle. The lab's hosts have no controller of processors: weight and quota count on a host of its own kernel.
    wanted = {"CPUSchedulingPolicy=5", "CPUWeight=idle", "CPUQuotaPerSecUSec=1s"}
    assert set(host.check_output(asked).splitlines()) == wanted
    programs = host.check_output("ps -o cls=,args= -C pgbackrest").splitlines()
    assert {program.split()[0] for program in programs if " server" in program} == {"IDL"}, programs


def test_segments_are_sent_apart_from_the_server_and_fetched_ahead(host):
    lines = set(host.file("/etc/pgbackrest/pgbackrest.conf").content_string.splitlines())
    assert {"archive-async=y", "archive-get-queue-max=256MiB", "process-max=2", "compress-type=zst"} <= lines
