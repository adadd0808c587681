import pytest

FOLDER = "/etc/ssl/platform"
SERVER = """
import socket, ssl, threading
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain("{folder}/web.crt", "{folder}/web.key")
server.load_verify_locations("{folder}/ca.crt")
server.verify_mode = ssl.CERT_REQUIRED
client = ssl.create_default_context(cafile="{folder}/ca.crt")
client.verify_flags |= ssl.VERIFY_X509_STRICT
client.load_cert_chain("{folder}/pair.pem")
ours, theirs = socket.socketpair()
worker = threading.Thread(target=lambda: server.wrap_socket(ours, server_side=True).send(b"hello"), daemon=True)
worker.start()
print(client.wrap_socket(theirs, server_hostname="{name}").recv(5).decode())
"""


def shake_hands(host, name):
    """Both sides on the host itself, each showing its certificate to the other."""
    return host.run("python3 -c %s", SERVER.format(folder=FOLDER, name=name))


@pytest.mark.parametrize("name", ["tls-certificate-default-1", "direct.lab", "127.0.0.1"])
def test_a_client_verifies_each_declared_name(host, name):
    answer = shake_hands(host, name)
    assert (answer.rc, answer.stdout.strip()) == (0, "hello"), answer.stderr


def test_a_client_refuses_another_name(host):
    answer = shake_hands(host, "read-only.lab")
    assert answer.rc != 0
    assert "Hostname mismatch" in answer.stderr


@pytest.mark.parametrize(("file", "owner"), [("web.key", "www-data"), ("pair.key", "backup"), ("pair.pem", "backup")])
def test_a_key_is_its_owners_alone(host, file, owner):
    key = host.file(f"{FOLDER}/{file}")
    assert (key.user, key.group, key.mode) == (owner, owner, 0o600)


@pytest.mark.parametrize("file", ["ca.crt", "web.crt", "pair.crt"])
def test_a_certificate_is_public(host, file):
    certificate = host.file(f"{FOLDER}/{file}")
    assert (certificate.user, certificate.mode) == ("root", 0o644)


def test_a_certificate_is_valid_for_90_days(host):
    assert host.run(f"openssl x509 -in {FOLDER}/web.crt -noout -checkend {89 * 86400}").rc == 0
    assert host.run(f"openssl x509 -in {FOLDER}/web.crt -noout -checkend {91 * 86400}").rc == 1


def test_the_subject_is_the_host(host):
    subject = host.run(f"openssl x509 -in {FOLDER}/web.crt -noout -subject -ext extendedKeyUsage").stdout
    assert "CN=tls-certificate-default-1" in subject.replace(" ", "")
    assert "Server Authentication" in subject
    assert "Client Authentication" in subject


def test_the_authoritys_key_is_not_on_the_host(host):
    assert sorted(host.file(FOLDER).listdir()) == [
        "ca.crt", "pair.crt", "pair.key", "pair.pem", "web.crt", "web.key",
    ]  # fmt: skip


def test_a_user_of_the_certificate_was_reloaded_once(host):
    assert host.file("/run/proof").content_string == "reloaded\n"
