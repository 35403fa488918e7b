"""Kubernetes logins: tokens of service accounts, reviewed by the cluster or verified by its keys."""

import time

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from hvac import exceptions

import pki
from loopback import KubernetesApi
from sealring import ServiceTest, fresh

CLUSTER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
UID = "5d1a1b1c-0d86-4b3e-9c4b-111111111111"
REVIEWER = "token-of-the-reviewer"
# hvac takes keys as certificates only.
CLUSTER_CERTIFICATE = pki.Certificate("cluster keys", key=CLUSTER_KEY).pem


def account_token(
    namespace="shop", name="orders", audience=KubernetesApi.AUDIENCE, key=CLUSTER_KEY, **more
):
    """The token of a service account as a pod finds it mounted."""
    now = int(time.time())
    claims = {
        "iss": KubernetesApi.AUDIENCE,
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "aud": [audience],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "kubernetes.io": {
            "namespace": namespace,
            "pod": {"name": "orders-0", "uid": "8c1e3f0a-0000-4000-8000-222222222222"},
            "serviceaccount": {"name": name, "uid": UID},
        },
        **more,
    }
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "cluster"})


class KubernetesTest(ServiceTest):
    def setUp(self):
        super().setUp()
        self.path = self.auth_method("kubernetes")
        self.role = fresh("role")

    def configure(self, host, **settings):
        return self.root.auth.kubernetes.configure(
            host, mount_point=self.path, disable_local_ca_jwt=True, **settings
        )

    def create_role(self, names=("orders",), namespaces=("shop",), **settings):
        settings.setdefault("policies", ["default"])
        return self.root.auth.kubernetes.create_role(
            self.role, list(names), list(namespaces), mount_point=self.path, **settings
        )

    def login(self, token, role=None):
        client = self.client()
        answer = client.auth.kubernetes.login(role or self.role, token, mount_point=self.path)
        self.assertTrue(client.is_authenticated())
        return answer["auth"]

    def refused_login(self, token, text="", error=exceptions.Forbidden, role=None):
        with self.refused(error, text=text):
            self.login(token, role)


class Settings(KubernetesTest):
    CA = pki.Certificate("a CA", is_ca=True).pem
    HOST = "https://192.0.2.1:6443"

    def test_the_configuration_is_read_without_its_secret(self):
        with self.refused(exceptions.InvalidPath):
            self.root.auth.kubernetes.read_config(mount_point=self.path)
        made = self.configure(
            self.HOST, kubernetes_ca_cert=self.CA, token_reviewer_jwt=account_token(), issuer="bob"
        )
        self.assertEqual(made.status_code, 204)
        data = self.root.auth.kubernetes.read_config(mount_point=self.path)
        self.assert_has(
            data,
            kubernetes_host=self.HOST,
            kubernetes_ca_cert=self.CA,
            issuer="bob",
            disable_local_ca_jwt=True,
        )
        self.assertNotIn("token_reviewer_jwt", data)

    def test_what_is_missing_or_wrong_in_the_configuration_is_refused(self):
        with self.refused(exceptions.InvalidRequest, text="kubernetes_ca_cert"):
            self.configure(self.HOST)
        with self.refused(exceptions.InvalidRequest):
            self.configure("", kubernetes_ca_cert=self.CA)
        with self.refused(exceptions.ParamValidationError, text="required type: PEM"):
            self.configure(self.HOST, kubernetes_ca_cert="ca_cert")
        with self.refused(exceptions.InvalidRequest):
            data = {"kubernetes_host": self.HOST, "kubernetes_ca_cert": self.CA, "pem_keys": ["x"]}
            self.root.write_data(f"auth/{self.path}/config", data=data)

    def test_roles_are_written_read_listed_and_deleted(self):
        with self.refused(exceptions.InvalidPath):
            self.root.auth.kubernetes.list_roles(mount_point=self.path)
        made = self.create_role(
            names=("orders", "billing"),
            ttl="10m",
            max_ttl="1h",
            audience="sealring",
            alias_name_source="serviceaccount_name",
            token_type="service",
        )
        self.assertEqual(made.status_code, 204)
        data = self.root.auth.kubernetes.read_role(self.role, mount_point=self.path)
        self.assert_has(
            data,
            bound_service_account_names=["orders", "billing"],
            bound_service_account_namespaces=["shop"],
            audience="sealring",
            alias_name_source="serviceaccount_name",
            token_policies=["default"],
            token_ttl=600,
            token_max_ttl=3600,
            token_type="service",
        )
        keys = self.root.auth.kubernetes.list_roles(mount_point=self.path)["keys"]
        self.assertEqual(keys, [self.role])
        for _ in range(2):
            gone = self.root.auth.kubernetes.delete_role(self.role, mount_point=self.path)
            self.assertEqual(gone.status_code, 204)
        with self.refused(exceptions.InvalidPath):
            self.root.auth.kubernetes.read_role(self.role, mount_point=self.path)

    def test_a_role_binds_names_and_namespaces(self):
        with self.refused(exceptions.InvalidRequest):
            self.create_role(names=())
        with self.refused(exceptions.InvalidRequest):
            self.create_role(namespaces=())
        with self.refused(exceptions.InvalidRequest):
            self.create_role(alias_name_source="nonsense")
        self.create_role(names=["*"], namespaces=["*"])


class ReviewedByTheCluster(KubernetesTest):
    def setUp(self):
        super().setUp()
        self.cluster = KubernetesApi(pki.public_pem(CLUSTER_KEY), REVIEWER)
        self.addCleanup(self.cluster.stop)
        self.configure(
            self.cluster.address,
            kubernetes_ca_cert=self.cluster.ca.pem,
            token_reviewer_jwt=REVIEWER,
        )

    def test_a_service_account_s_token_gives_a_token(self):
        self.create_role(ttl="10m")
        token = account_token()
        auth = self.login(token)
        self.assert_has(
            auth, policies=["default"], lease_duration=600, renewable=True, orphan=True
        )
        self.assert_has(
            auth["metadata"],
            role=self.role,
            service_account_name="orders",
            service_account_namespace="shop",
            service_account_uid=UID,
        )
        data = self.client(auth["client_token"]).lookup_token()["data"]
        self.assert_has(data, path=f"auth/{self.path}/login")
        self.assertTrue(data["display_name"].endswith("shop-orders"))
        # Each login is a review of its own: nobody's acceptance is remembered.
        self.login(token)
        self.assertEqual([one["spec"]["token"] for one in self.cluster.reviews], [token, token])

    def test_a_token_that_the_cluster_has_revoked_is_refused(self):
        self.create_role()
        token = account_token()
        self.login(token)
        self.cluster.revoked.add(token)
        self.refused_login(token, "permission denied")

    def test_a_token_of_another_cluster_is_refused(self):
        self.create_role()
        self.refused_login(account_token(key=OTHER_KEY))

    def test_names_and_namespaces_are_those_that_are_bound(self):
        self.create_role()
        self.refused_login(account_token(namespace="other"))
        self.refused_login(account_token(name="other"))
        self.create_role(names=["*"])
        self.login(account_token(name="other"))
        self.refused_login(account_token(namespace="other"))
        self.create_role(names=["*"], namespaces=["*"])
        self.login(account_token(namespace="other", name="other"))

    def test_claims_that_the_review_contradicts_do_not_count(self):
        self.create_role()
        real = self.cluster.status
        somebody = {"username": "system:serviceaccount:shop:somebody-else", "uid": UID}
        self.cluster.status = lambda *_: {"authenticated": True, "user": somebody}
        self.refused_login(account_token())
        self.cluster.status = real
        self.login(account_token())

    def test_the_audience_of_a_role_is_asked_for(self):
        self.create_role(audience="sealring")
        self.login(account_token(audience="sealring"))
        self.assertEqual(self.cluster.reviews[-1]["spec"]["audiences"], ["sealring"])
        self.refused_login(account_token())

    def test_an_expired_token_is_refused(self):
        self.create_role()
        now = int(time.time())
        self.refused_login(account_token(exp=now - 600, iat=now - 900, nbf=now - 900))

    def test_a_reviewer_whom_the_cluster_does_not_know_lets_nobody_in(self):
        self.create_role()
        self.cluster.reviewer = "another"
        self.refused_login(account_token())

    def test_the_cluster_is_never_asked_with_the_token_of_whoever_logs_in(self):
        # Vault would; here a token is shown to nobody but as what the review is about.
        with self.refused(exceptions.InvalidRequest, text="token_reviewer_jwt"):
            self.configure(self.cluster.address, kubernetes_ca_cert=self.cluster.ca.pem)
        self.create_role()
        token = account_token()
        self.login(token)
        headers = {name.lower(): value for name, value in self.cluster.requests[-1][2].items()}
        self.assertEqual(headers["authorization"], f"Bearer {REVIEWER}")

    def test_a_cluster_with_another_certificate_gets_no_token_to_see(self):
        self.create_role()
        stranger = pki.Certificate("stranger", is_ca=True).pem
        self.configure(
            self.cluster.address, kubernetes_ca_cert=stranger, token_reviewer_jwt=REVIEWER
        )
        with self.assertRaises(exceptions.VaultError):
            self.login(account_token())
        self.assertEqual(self.cluster.requests, [])

    def test_what_is_missing_is_named(self):
        self.create_role()
        token = account_token()
        for data, text in (({"jwt": token}, "missing role"), ({"role": self.role}, "missing jwt")):
            with self.refused(exceptions.InvalidRequest, text=text):
                self.client().write_data(f"auth/{self.path}/login", data=data)
        self.refused_login(token, "invalid role name", exceptions.InvalidRequest, role="nobody")
        self.assertEqual(self.cluster.requests, [])


class VerifiedByTheClusterSKeys(KubernetesTest):
    """Keys without a reviewer are enough. Nothing listens where the cluster is said to be."""

    def setUp(self):
        super().setUp()
        self.ca = pki.Certificate("a CA", is_ca=True).pem
        self.configure_keys([CLUSTER_CERTIFICATE])

    def configure_keys(self, keys):
        self.root.write_data(
            f"auth/{self.path}/config",
            data={
                "kubernetes_host": "https://127.0.0.1:1",
                "kubernetes_ca_cert": self.ca,
                "disable_local_ca_jwt": True,
                "pem_keys": keys,
            },
        )

    def test_a_service_account_s_token_gives_a_token(self):
        for keys in ([CLUSTER_CERTIFICATE], [pki.public_pem(OTHER_KEY), pki.public_pem(CLUSTER_KEY)]):
            self.configure_keys(keys)
            self.create_role(audience="sealring")
            metadata = self.login(account_token(audience="sealring"))["metadata"]
            self.assert_has(
                metadata,
                role=self.role,
                service_account_name="orders",
                service_account_namespace="shop",
                service_account_uid=UID,
            )

    def test_what_is_not_right_is_refused(self):
        self.create_role(audience="sealring")
        now = int(time.time())
        self.login(account_token(audience="sealring"))
        for wrong in (
            account_token(audience="other"),
            account_token(audience="sealring", key=OTHER_KEY),
            account_token(audience="sealring", namespace="other"),
            account_token(audience="sealring", name="other"),
            account_token(audience="sealring", exp=now - 600, iat=now - 900, nbf=now - 900),
            account_token(audience="sealring", nbf=now + 600),
        ):
            self.refused_login(wrong)

    def test_a_role_without_an_audience_takes_nobody_s_tokens(self):
        self.create_role()
        self.refused_login(account_token())
