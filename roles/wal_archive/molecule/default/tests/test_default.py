"""What only a repository host refuses; test_archive.py has what holds for any repository."""

testinfra_hosts = ["ansible://database"]


def test_another_stanza_is_refused_by_the_repository(host):
    refused = host.run("cd / && sudo -u postgres pgbackrest --stanza=other info")
    assert "access denied" in refused.stdout, refused.stdout + refused.stderr
