FOLDER = "/srv/certificates"


def test_the_certificate_lives_as_long_as_declared(host):
    assert host.run(f"openssl x509 -in {FOLDER}/only.crt -noout -checkend {9 * 86400}").rc == 0
    assert host.run(f"openssl x509 -in {FOLDER}/only.crt -noout -checkend {11 * 86400}").rc == 1


def test_the_authority_vouches_for_it(host):
    assert host.run(f"openssl verify -x509_strict -CAfile {FOLDER}/ca.crt {FOLDER}/only.crt").rc == 0


def test_nothing_is_written_elsewhere(host):
    assert not host.file("/etc/ssl/platform").exists
