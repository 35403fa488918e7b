"""JWT logins: with static keys, and with keys that an issuer publishes and rotates."""

import base64
import hashlib
import hmac
import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hvac import exceptions

import pki
from loopback import KeyServer
from sealring import ServiceTest, eventually, fresh

ISSUER = "https://issuer.example"
AUDIENCE = "sealring"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SPARE_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
EC384_KEY = ec.generate_private_key(ec.SECP384R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def claims(**more):
    """Claims that are in order; a claim given as None is left out."""
    now = int(time.time())
    whole = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        **more,
    }
    return {name: value for name, value in whole.items() if value is not None}


def signed(key=RSA_KEY, algorithm="RS256", kid=None, **more):
    headers = {"kid": kid} if kid else None
    return jwt.encode(claims(**more), key, algorithm=algorithm, headers=headers)


def jwk(key, kid, algorithm="RS256"):
    converter = jwt.algorithms.get_default_algorithms()[algorithm]
    public = converter.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": kid, "use": "sig", "alg": algorithm}


class JwtTest(ServiceTest):
    def setUp(self):
        super().setUp()
        self.path = self.auth_method("jwt")
        self.role = fresh("role")

    def configure(self, **settings):
        return self.root.auth.jwt.configure(path=self.path, **settings)

    def create_role(self, **settings):
        settings = {
            "user_claim": "sub",
            "bound_audiences": [AUDIENCE],
            "token_policies": ["default"],
            **settings,
        }
        return self.root.auth.jwt.create_role(
            self.role, allowed_redirect_uris=[], path=self.path, **settings
        )

    def login(self, token, role=None):
        client = self.client()
        role = self.role if role is None else role
        answer = client.auth.jwt.jwt_login(role, token, path=self.path)
        self.assertEqual(client.token, answer["auth"]["client_token"])
        self.assertTrue(client.is_authenticated())
        return answer["auth"]

    def refused_login(self, token, text="", role=None):
        with self.refused(exceptions.InvalidRequest, text=text):
            self.login(token, role)


class StaticKeys(JwtTest):
    def setUp(self):
        super().setUp()
        keys = [pki.public_pem(key) for key in (RSA_KEY, EC_KEY, EC384_KEY, ED_KEY)]
        self.configure(jwt_validation_pubkeys=keys, bound_issuer=ISSUER)

    def test_the_configuration_is_read_as_it_was_written(self):
        keys = [pki.public_pem(RSA_KEY)]
        made = self.configure(
            jwt_validation_pubkeys=keys,
            bound_issuer=ISSUER,
            jwt_supported_algs=["RS256"],
            default_role="web",
        )
        self.assertEqual(made.status_code, 204)
        data = self.root.auth.jwt.read_config(path=self.path)["data"]
        self.assert_has(
            data,
            bound_issuer=ISSUER,
            jwt_supported_algs=["RS256"],
            default_role="web",
            jwks_url="",
            oidc_discovery_url="",
        )
        self.assertEqual([key.strip() for key in data["jwt_validation_pubkeys"]], [keys[0].strip()])

    def test_a_configuration_names_one_source_of_keys(self):
        key = pki.public_pem(RSA_KEY)
        with self.refused(exceptions.InvalidRequest):
            self.configure(bound_issuer=ISSUER)
        with self.refused(exceptions.InvalidRequest):
            self.configure(jwt_validation_pubkeys=[key], jwks_url="https://127.0.0.1:1/keys")
        with self.refused(exceptions.InvalidRequest):
            self.configure(jwt_validation_pubkeys=["no key"])
        with self.refused(exceptions.InvalidRequest):
            self.configure(jwt_validation_pubkeys=[key], jwt_supported_algs=["none"])

    def test_roles_are_written_read_listed_and_deleted(self):
        made = self.create_role(
            bound_subject="alice",
            bound_claims={"team": ["blue", "red"]},
            claim_mappings={"team": "crew"},
            token_ttl="10m",
            clock_skew_leeway=30,
        )
        self.assertEqual(made.status_code, 204)
        data = self.root.auth.jwt.read_role(self.role, path=self.path)["data"]
        self.assert_has(
            data,
            role_type="jwt",
            user_claim="sub",
            bound_audiences=[AUDIENCE],
            bound_subject="alice",
            bound_claims={"team": ["blue", "red"]},
            bound_claims_type="string",
            claim_mappings={"team": "crew"},
            token_policies=["default"],
            token_ttl=600,
            clock_skew_leeway=30,
        )
        keys = self.root.auth.jwt.list_roles(path=self.path)["data"]["keys"]
        self.assertEqual(keys, [self.role])
        gone = self.root.auth.jwt.delete_role(self.role, path=self.path)
        self.assertEqual(gone.status_code, 204)
        with self.refused(exceptions.InvalidPath):
            self.root.auth.jwt.read_role(self.role, path=self.path)
        self.refused_login(signed(), "could not be found")

    def test_a_role_binds_at_least_something(self):
        with self.refused(exceptions.InvalidRequest):
            self.create_role(bound_audiences=None)
        with self.refused(exceptions.InvalidRequest):
            self.create_role(user_claim="")

    def test_a_signed_token_gives_a_token(self):
        self.create_role(token_ttl="10m", claim_mappings={"team": "crew"})
        auth = self.login(signed(team="blue"))
        self.assert_has(
            auth, policies=["default"], lease_duration=600, renewable=True, orphan=True
        )
        self.assert_has(auth["metadata"], role=self.role, crew="blue")
        data = self.client(auth["client_token"]).lookup_token()["data"]
        self.assert_has(data, path=f"auth/{self.path}/login", display_name=f"{self.path}-alice")

    def test_every_kind_of_signature_is_verified(self):
        self.create_role()
        for key, algorithm in (
            (RSA_KEY, "RS256"),
            (RSA_KEY, "RS384"),
            (RSA_KEY, "RS512"),
            (RSA_KEY, "PS256"),
            (EC_KEY, "ES256"),
            (EC384_KEY, "ES384"),
            (ED_KEY, "EdDSA"),
        ):
            self.configure(
                jwt_validation_pubkeys=[pki.public_pem(key)], jwt_supported_algs=[algorithm]
            )
            with self.subTest(algorithm):
                good = signed(key, algorithm)
                self.login(good)
                head, body, signature = good.split(".")
                other = claims(sub="mallory")
                forged = base64.urlsafe_b64encode(json.dumps(other).encode()).rstrip(b"=")
                self.refused_login(f"{head}.{forged.decode()}.{signature}")
                self.refused_login(f"{head}.{body}.")
                self.refused_login(f"{head}.{body}")

    def test_only_the_algorithms_that_are_allowed_count(self):
        self.create_role()
        self.configure(
            jwt_validation_pubkeys=[pki.public_pem(RSA_KEY)], jwt_supported_algs=["RS512"]
        )
        self.login(signed(algorithm="RS512"))
        self.refused_login(signed(algorithm="RS256"))

    def test_a_token_that_signs_itself_is_refused(self):
        self.create_role()
        self.refused_login(jwt.encode(claims(), None, algorithm="none"))
        self.refused_login(hmac_with_public_key(pki.public_pem(RSA_KEY)))
        self.refused_login(signed(OTHER_RSA_KEY))
        self.refused_login("not.a.jwt")
        self.refused_login("", "missing token")

    def test_times_count_with_a_leeway(self):
        self.create_role()
        now = int(time.time())
        self.refused_login(signed(exp=now - 600, iat=now - 900, nbf=now - 900))
        self.refused_login(signed(nbf=now + 600))
        self.login(signed(exp=now - 30))
        self.login(signed(nbf=now + 30))
        self.create_role(clock_skew_leeway=-1)
        self.refused_login(signed(exp=now - 30))
        self.refused_login(signed(nbf=now + 60))
        self.refused_login(signed(exp=None, nbf=None, iat=None))

    def test_the_issuer_is_the_one_that_is_bound(self):
        self.create_role()
        self.refused_login(signed(iss="https://other.example"))
        self.refused_login(signed(iss=None))

    def test_the_audience_is_one_of_those_that_are_bound(self):
        self.create_role(bound_audiences=[AUDIENCE, "second"])
        self.login(signed(aud=["elsewhere", "second"]))
        self.refused_login(signed(aud="elsewhere"))
        self.refused_login(signed(aud=None))
        self.create_role(bound_audiences=[], bound_subject="alice")
        self.refused_login(signed(), "audience claim found in JWT but no audiences bound")
        self.login(signed(aud=None))

    def test_the_subject_can_be_bound(self):
        self.create_role(bound_subject="alice")
        self.login(signed())
        self.refused_login(signed(sub="bob"))

    def test_claims_can_be_bound(self):
        self.create_role(bound_claims={"team": ["blue", "red"], "level": 3, "/org/unit": "a"})
        self.login(signed(team="red", level=3, org={"unit": "a"}))
        self.login(signed(team=["green", "blue"], level=3, org={"unit": "a"}))
        self.refused_login(signed(team="green", level=3, org={"unit": "a"}))
        self.refused_login(signed(team="red", level=4, org={"unit": "a"}))
        self.refused_login(signed(team="red", level=3, org={"unit": "b"}))
        self.refused_login(signed(team="red", level=3))

    def test_bound_claims_may_have_stars(self):
        self.create_role(bound_claims={"ref": "refs/heads/*"}, bound_claims_type="glob")
        self.login(signed(ref="refs/heads/main"))
        self.refused_login(signed(ref="refs/tags/v1"))
        self.create_role(bound_claims={"ref": "refs/heads/*"}, bound_claims_type="string")
        self.refused_login(signed(ref="refs/heads/main"))

    def test_the_user_is_named_by_a_claim_that_must_be_there(self):
        self.create_role(user_claim="email")
        auth = self.login(signed(email="alice@example.org"))
        data = self.client(auth["client_token"]).lookup_token()["data"]
        self.assertIn("alice@example.org", data["display_name"])
        self.refused_login(signed())

    def test_a_mapped_claim_that_is_absent_is_left_out(self):
        self.create_role(claim_mappings={"team": "crew"})
        self.assertNotIn("crew", self.login(signed())["metadata"])

    def test_a_default_role_is_used_where_none_is_named(self):
        self.create_role()
        self.refused_login(signed(), "missing role", role="")
        self.configure(
            jwt_validation_pubkeys=[pki.public_pem(RSA_KEY)], default_role=self.role
        )
        self.login(signed(), role="")

    def test_an_unknown_role_is_refused(self):
        self.refused_login(signed(), "could not be found", role="nobody")

    def test_a_role_is_found_whatever_the_case(self):
        self.create_role()
        self.login(signed(), role=self.role.upper())


class PublishedKeys(JwtTest):
    def setUp(self):
        super().setUp()
        self.issuer = KeyServer(jwk(SPARE_RSA_KEY, "spare"), jwk(RSA_KEY, "first"))
        self.addCleanup(self.issuer.stop)
        self.url = f"{self.issuer.address}/keys"
        self.configure(jwks_url=self.url, jwks_ca_pem=self.issuer.ca.pem, bound_issuer=ISSUER)
        self.create_role()

    def test_keys_are_fetched_and_kept(self):
        data = self.root.auth.jwt.read_config(path=self.path)["data"]
        self.assert_has(data, jwks_url=self.url, bound_issuer=ISSUER)
        for _ in range(5):
            self.login(signed(kid="first"))
        self.assertLessEqual(len(self.issuer.requests), 2)

    def test_a_rotated_key_is_soon_found_and_a_withdrawn_one_is_then_gone(self):
        self.login(signed(kid="first"))
        self.issuer.jwks = [jwk(OTHER_RSA_KEY, "second")]

        def login():
            try:
                return self.login(signed(OTHER_RSA_KEY, kid="second"))
            except exceptions.InvalidRequest:
                return None

        eventually("a login with the new key", login)
        self.refused_login(signed(kid="first"))

    def test_a_new_configuration_forgets_the_old_keys(self):
        self.login(signed(kid="first"))
        self.issuer.jwks = [jwk(EC_KEY, "second", "ES256")]
        self.configure(
            jwks_url=self.url,
            jwks_ca_pem=self.issuer.ca.pem,
            jwt_supported_algs=["RS256", "ES256"],
        )
        self.login(signed(EC_KEY, "ES256", kid="second"))
        self.refused_login(signed(kid="first"))

    def test_unknown_key_ids_do_not_make_a_fetch_each(self):
        self.login(signed(kid="first"))
        before = len(self.issuer.requests)
        for number in range(20):
            self.refused_login(signed(OTHER_RSA_KEY, kid=f"unknown-{number}"))
        self.assertLess(len(self.issuer.requests) - before, 10)

    def test_a_token_without_a_key_id_is_tried_with_all_keys(self):
        self.login(signed())
        self.login(signed(SPARE_RSA_KEY))
        self.refused_login(signed(OTHER_RSA_KEY))

    def test_known_keys_serve_while_the_issuer_is_away(self):
        self.login(signed(kid="first"))
        self.issuer.away = True
        self.login(signed(kid="first"))

    def test_an_issuer_without_the_right_certificate_is_not_believed(self):
        stranger = pki.Certificate("stranger", is_ca=True).pem
        before = len(self.issuer.requests)
        with self.assertRaises(exceptions.VaultError):
            # Some servers fetch when they are configured, some at the first login.
            self.configure(jwks_url=self.url, jwks_ca_pem=stranger)
            self.login(signed(kid="first"))
        self.assertEqual(len(self.issuer.requests), before)


def hmac_with_public_key(public_key):
    """HS256 with the public key as the secret: what a verifier accepts that lets the token choose how it is verified."""

    def part(raw):
        return base64.urlsafe_b64encode(raw).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    message = head + b"." + part(json.dumps(claims()).encode())
    tag = hmac.new(public_key.encode(), message, hashlib.sha256).digest()
    return (message + b"." + part(tag)).decode()
