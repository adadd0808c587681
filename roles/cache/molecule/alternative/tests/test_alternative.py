"""What changes for a client when certificates are wanted and keys are limited."""

TLS = "--tls --cacert /etc/ssl/platform/ca.crt -h cache-alternative-1 -p 6390"
CERTIFICATE = "--cert /etc/ssl/platform/valkey.crt --key /etc/ssl/platform/valkey.key"


def ask(host, command, options):
    said = host.run(f"printf 'AUTH shop only-of-this-scenario-0123456789\\n{command}\\n' | valkey-cli {options}")
    return said.stdout.strip().split("\n")


def test_a_client_with_a_certificate_gets_in(host):
    assert ask(host, "SET shop:1 v EX 9", f"{TLS} {CERTIFICATE}") == ["OK", "OK"]


def test_a_client_without_one_does_not(host):
    assert "OK" not in ask(host, "SET shop:1 v EX 9", TLS)


def test_keys_of_others_are_refused(host):
    assert ask(host, "GET other:1", f"{TLS} {CERTIFICATE}")[1].startswith("NOPERM")
    assert ask(host, "SET session:1 v EX 9", f"{TLS} {CERTIFICATE}") == ["OK", "OK"]
