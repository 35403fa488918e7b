"""Logins with TLS client certificates, over a listener that asks for one."""

import os
import tempfile

import requests
from cryptography import x509
from hvac import exceptions

import pki
from sealring import AT_FAULT, ServiceTest, eventually, fresh

TLS_ADDRESS = os.environ["SEALRING_TLS_ADDRESS"]
SERVER_CA = os.environ["SEALRING_TLS_CA"]
HOUR = pki.HOUR


def setUpModule():
    def listens():
        try:
            return requests.get(f"{TLS_ADDRESS}/v1/sys/health", verify=SERVER_CA, timeout=10)
        except requests.ConnectionError:
            return None

    eventually("the TLS listener", listens)


class Certificates(ServiceTest):
    @classmethod
    def setUpClass(cls):
        cls.ca = pki.Certificate("Test CA of clients", is_ca=True)
        cls.other_ca = pki.Certificate("Another CA", is_ca=True)
        # The same name, another key.
        cls.false_ca = pki.Certificate("Test CA of clients", is_ca=True)

    def setUp(self):
        super().setUp()
        self.path = self.auth_method("cert")
        self.role = fresh("role")
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def issue(self, name="orders.example.org", ca=None, **more):
        """The files of a client certificate and its key."""
        return pki.Certificate(name, ca or self.ca, **more).write(self.directory, fresh("client"))

    def create_role(self, certificate=None, name=None, **settings):
        settings.setdefault("token_policies", ["default"])
        return self.root.auth.cert.create_ca_certificate_role(
            name or self.role,
            certificate=certificate or self.ca.pem,
            mount_point=self.path,
            **settings,
        )

    def login(self, files, name=""):
        client = self.client(url=TLS_ADDRESS, verify=SERVER_CA)
        answer = client.auth.cert.login(
            name=name, cert_pem=files[0], key_pem=files[1], mount_point=self.path
        )
        self.assertEqual(client.token, answer["auth"]["client_token"])
        return answer["auth"]

    def refused_login(self, files, name="", text=""):
        with self.refused(exceptions.InvalidRequest, text=text):
            self.login(files, name)

    def test_a_certificate_of_the_role_s_ca_gives_a_token(self):
        self.create_role(token_ttl="10m")
        auth = self.login(self.issue())
        self.assert_has(
            auth, policies=["default"], lease_duration=600, renewable=True, orphan=True
        )
        self.assert_has(
            auth["metadata"], cert_name=self.role, common_name="orders.example.org"
        )
        # The token is good on every listener.
        data = self.client(auth["client_token"]).lookup_token()["data"]
        self.assert_has(data, path=f"auth/{self.path}/login")

    def test_a_role_can_be_named(self):
        self.create_role()
        self.create_role(self.other_ca.pem, name="other")
        files = self.issue()
        self.assertEqual(self.login(files, self.role)["metadata"]["cert_name"], self.role)
        self.assertEqual(self.login(files)["metadata"]["cert_name"], self.role)
        self.refused_login(files, "other")
        self.refused_login(files, "nobody")

    def test_a_single_certificate_can_be_trusted(self):
        certificate = pki.Certificate("alone")
        files = certificate.write(self.directory, "alone")
        self.create_role(certificate.pem)
        self.login(files)
        self.refused_login(pki.Certificate("alone").write(self.directory, "double"))
        self.refused_login(self.issue())

    def test_certificates_of_others_are_refused(self):
        self.create_role()
        for ca in (self.other_ca, self.false_ca):
            self.refused_login(self.issue(ca=ca), text="invalid certificate")
        self.refused_login(pki.Certificate("itself").write(self.directory, "itself"))
        # Issued by a certificate of the CA that is no CA.
        leaf = pki.Certificate("leaf", self.ca)
        self.refused_login(self.issue(ca=leaf))

    def test_without_a_certificate_nobody_is_let_in(self):
        self.create_role()
        client = self.client(url=TLS_ADDRESS, verify=SERVER_CA)
        with self.refused(exceptions.InvalidRequest):
            client.login(f"/v1/auth/{self.path}/login", json={"name": self.role})
        with self.refused(exceptions.InvalidRequest):
            self.client().login(f"/v1/auth/{self.path}/login", json={"name": self.role})

    def test_a_certificate_counts_while_it_is_valid(self):
        self.create_role()
        for times in ({"age": 3 * HOUR, "lasts": -HOUR}, {"age": -HOUR, "lasts": 3 * HOUR}):
            with self.refused(*AT_FAULT):
                self.login(self.issue(**times))

    def test_names_can_be_bound(self):
        email = [x509.RFC822Name("orders@example.org")]
        uri = [x509.UniformResourceIdentifier("spiffe://example.org/orders")]
        dns = [x509.DNSName("orders.internal")]
        for setting, right, wrong in (
            ({"allowed_common_names": "*.example.org"}, {}, {"name": "orders.example.net"}),
            ({"allowed_dns_sans": "orders.internal,other"}, {"sans": dns}, {"sans": email}),
            ({"allowed_email_sans": "*@example.org"}, {"sans": email}, {"sans": dns}),
            ({"allowed_uri_sans": "spiffe://example.org/*"}, {"sans": uri}, {"sans": email}),
            ({"allowed_organizational_units": "ops"}, {"units": ["dev", "ops"]}, {"units": ["dev"]}),
        ):
            with self.subTest(setting):
                self.create_role(**setting)
                self.login(self.issue(**right))
                self.refused_login(self.issue(**wrong))
                self.refused_login(self.issue(**{"name": "nobody.example.net"}))

    def test_roles_are_written_read_listed_and_deleted(self):
        made = self.create_role(allowed_common_names="a.example.org,b.example.org")
        self.assertEqual(made.status_code, 204)
        data = self.root.auth.cert.read_ca_certificate_role(self.role, mount_point=self.path)["data"]
        self.assert_has(
            data,
            display_name=self.role,
            allowed_common_names=["a.example.org", "b.example.org"],
            token_policies=["default"],
        )
        self.assertEqual(data["certificate"].strip(), self.ca.pem.strip())
        keys = self.root.auth.cert.list_certificate_roles(mount_point=self.path)["data"]["keys"]
        self.assertEqual(keys, [self.role])
        files = self.issue(name="a.example.org")
        self.login(files)
        gone = self.root.auth.cert.delete_certificate_role(self.role, mount_point=self.path)
        self.assertEqual(gone.status_code, 204)
        with self.refused(exceptions.InvalidPath):
            self.root.auth.cert.read_ca_certificate_role(self.role, mount_point=self.path)
        self.refused_login(files)

    def test_a_role_s_certificate_may_come_from_a_file(self):
        path, _ = self.ca.write(self.directory, "ca")
        made = self.root.auth.cert.create_ca_certificate_role(
            self.role, certificate_file=path, mount_point=self.path
        )
        self.assertEqual(made.status_code, 204)
        self.login(self.issue())

    def test_what_is_no_certificate_makes_no_role(self):
        for wrong in ("", "no certificate", pki.public_pem(self.ca.key)):
            with self.refused(exceptions.InvalidRequest):
                data = {"certificate": wrong}
                self.root.write_data(f"auth/{self.path}/certs/{self.role}", data=data)

    def test_a_renewal_needs_the_same_certificate_unless_binding_is_off(self):
        self.create_role()
        files = self.issue()
        token = self.login(files)["client_token"]
        same = self.client(token, url=TLS_ADDRESS, verify=SERVER_CA, cert=files)
        same.auth.token.renew_self()
        stranger = self.client(token, url=TLS_ADDRESS, verify=SERVER_CA, cert=self.issue())
        for client in (stranger, self.client(token)):
            with self.refused(*AT_FAULT, exceptions.Forbidden):
                client.auth.token.renew_self()
        made = self.root.auth.cert.configure_tls_certificate(
            mount_point=self.path, disable_binding=True
        )
        self.assertEqual(made.status_code, 204)
        stranger.auth.token.renew_self()

    def test_a_token_that_comes_with_another_certificate_is_the_token_s(self):
        self.create_role()
        token = self.login(self.issue())["client_token"]
        other = self.client(token, url=TLS_ADDRESS, verify=SERVER_CA, cert=self.issue())
        self.assertTrue(other.is_authenticated())

    def test_what_hvac_itself_refuses_never_leaves_it(self):
        client = self.client(url=TLS_ADDRESS, verify=SERVER_CA)
        with self.refused(exceptions.ParamValidationError):
            client.auth.cert.login(cacert="bad ca", cert_pem="x", mount_point=self.path)
        with self.assertRaises(FileNotFoundError):
            client.auth.cert.login(cert_pem="/no/such/file", mount_point=self.path)


class Listener(ServiceTest):
    def test_everything_works_over_tls(self):
        client = self.client(self.root.token, url=TLS_ADDRESS, verify=SERVER_CA)
        self.assertTrue(client.is_authenticated())
        name = fresh("over-tls")
        client.secrets.transit.create_key(name)
        sealed = client.secrets.transit.encrypt_data(name, "aGVsbG8=")["data"]["ciphertext"]
        opened = self.root.secrets.transit.decrypt_data(name, sealed)["data"]["plaintext"]
        self.assertEqual(opened, "aGVsbG8=")

    def test_a_server_that_nobody_vouches_for_is_not_talked_to(self):
        with self.assertRaises(requests.exceptions.SSLError):
            self.client(url=TLS_ADDRESS, verify=True).sys.read_seal_status()
