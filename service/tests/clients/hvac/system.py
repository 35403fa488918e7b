"""The system's own endpoints: health, seal, auth methods, mounts, quotas; and how errors arrive."""

import os
import time

from hvac import exceptions

from sealring import ROOT_TOKEN, ServiceTest, eventually, fresh

SHARES = os.environ["SEALRING_UNLOCK_SHARES"].split()
THRESHOLD = int(os.environ["SEALRING_UNLOCK_THRESHOLD"])
MONTH_SECONDS = 768 * 3600


class Health(ServiceTest):
    def test_health_is_told_to_anybody(self):
        nobody = self.client().sys
        self.assertEqual(nobody.read_health_status().status_code, 200)
        health = nobody.read_health_status(method="GET")
        self.assert_has(health, initialized=True, sealed=False, standby=False)
        self.assertTrue(health["version"])
        self.assertTrue(health["cluster_id"])
        self.assertLess(abs(health["server_time_utc"] - time.time()), 60)

    def test_the_status_of_health_can_be_chosen(self):
        answer = self.client().sys.read_health_status(method="GET", active_code=299)
        self.assertEqual(answer.status_code, 299)
        self.assertTrue(answer.json()["initialized"])

    def test_the_server_is_initialised_and_is_so_only_once(self):
        nobody = self.client().sys
        self.assertEqual(nobody.read_init_status(), {"initialized": True})
        self.assertTrue(nobody.is_initialized())
        with self.refused(exceptions.InvalidRequest):
            nobody.initialize(secret_shares=1, secret_threshold=1)

    def test_who_leads_is_told_to_anybody(self):
        self.assertIn("ha_enabled", self.client().sys.read_leader_status())
        self.assertIn("ha_enabled", self.client().ha_status)

    def test_the_seal_is_described_to_anybody(self):
        status = self.client().sys.read_seal_status()
        self.assert_has(
            status,
            type="shamir",
            initialized=True,
            sealed=False,
            t=THRESHOLD,
            n=len(SHARES),
            progress=0,
        )
        self.assertRegex(status["version"], r"^\d+\.\d+\.\d+")
        self.assertEqual(self.client().seal_status["sealed"], False)
        self.assertFalse(self.client().sys.is_sealed())


class Seal(ServiceTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.unseal)

    def unseal(self):
        nobody = self.client().sys
        if nobody.is_sealed():
            nobody.submit_unseal_key(reset=True)
            nobody.submit_unseal_keys(SHARES)
        eventually("the open state", lambda: not nobody.is_sealed())

    def seal(self):
        self.assertEqual(self.root.sys.seal().status_code, 204)
        nobody = self.client().sys
        eventually("the seal", nobody.is_sealed)
        return nobody

    def test_a_sealed_server_answers_nothing_until_enough_shares_are_there(self):
        name = self.ring()
        sealed = self.root.secrets.transit.encrypt_data(name, "aGVsbG8=")["data"]["ciphertext"]
        holder = self.holder('path "transit/*" { capabilities = ["read"] }')
        nobody = self.seal()
        for call in (
            lambda: self.root.secrets.transit.decrypt_data(name, sealed),
            lambda: self.root.secrets.transit.create_key(fresh("ring")),
            lambda: holder.secrets.transit.read_key(name),
            lambda: self.root.auth.token.lookup_self(),
            lambda: self.root.sys.list_mounted_secrets_engines(),
            lambda: self.client().secrets.transit.read_key(name),
        ):
            with self.refused(exceptions.VaultDown, text="Vault is sealed"):
                call()
        self.assertEqual(nobody.read_health_status().status_code, 503)
        answer = nobody.read_health_status(method="GET")
        self.assert_has(answer.json(), initialized=True, sealed=True)
        answer = nobody.read_health_status(method="GET", sealed_code=299)
        self.assertEqual(answer.status_code, 299)
        self.assertIn("ha_enabled", nobody.read_leader_status())
        status = nobody.submit_unseal_keys(SHARES)
        self.assert_has(status, sealed=False, progress=0)
        self.assertEqual(nobody.read_health_status().status_code, 200)
        opened = self.root.secrets.transit.decrypt_data(name, sealed)["data"]["plaintext"]
        self.assertEqual(opened, "aGVsbG8=")
        self.assertEqual(holder.secrets.transit.read_key(name)["data"]["name"], name)

    def test_shares_are_counted_and_the_count_can_be_reset(self):
        nobody = self.seal()
        status = nobody.submit_unseal_keys(SHARES[:2])
        self.assert_has(status, sealed=True, progress=2, t=THRESHOLD, n=len(SHARES))
        self.assertTrue(status["nonce"])
        status = nobody.submit_unseal_key(SHARES[1])
        self.assert_has(status, sealed=True, progress=2)
        status = nobody.submit_unseal_key(reset=True)
        self.assert_has(status, sealed=True, progress=0)
        status = nobody.submit_unseal_keys(SHARES[1:3])
        self.assert_has(status, sealed=True, progress=2)
        nobody.submit_unseal_keys(SHARES[:1])
        self.assertFalse(nobody.is_sealed())

    def test_any_of_the_shares_will_do(self):
        nobody = self.seal()
        status = nobody.submit_unseal_keys(list(reversed(SHARES))[:THRESHOLD])
        self.assertIs(status["sealed"], False)

    def test_what_is_no_share_is_refused(self):
        nobody = self.seal()
        for wrong in ("nonsense", "", SHARES[0][:-1], SHARES[0] + "00"):
            with self.refused(exceptions.InvalidRequest):
                nobody.submit_unseal_key(wrong)
        self.assertEqual(nobody.read_seal_status()["progress"], 0)
        last = SHARES[0][-1]
        forged = SHARES[0][:-1] + ("0" if last != "0" else "1")
        with self.refused(exceptions.InvalidRequest):
            nobody.submit_unseal_key(forged)
            nobody.submit_unseal_keys(SHARES[1:THRESHOLD])
        self.assertTrue(nobody.is_sealed())

    def test_a_share_changes_nothing_while_the_server_is_open(self):
        status = self.client().sys.submit_unseal_key(SHARES[0])
        self.assert_has(status, sealed=False, progress=0)

    def test_only_those_who_may_seal_seal(self):
        for client in (self.holder('path "transit/*" { policy = "sudo" }'), self.client()):
            with self.refused(exceptions.Forbidden):
                client.sys.seal()
        weak = self.holder('path "sys/seal" { capabilities = ["update"] }')
        with self.refused(exceptions.Forbidden):
            weak.sys.seal()
        self.assertFalse(self.root.sys.is_sealed())
        strong = self.holder('path "sys/seal" { capabilities = ["update", "sudo"] }')
        strong.sys.seal()
        eventually("the seal", self.root.sys.is_sealed)
        # Before what was made for this test is taken away.
        self.unseal()


class AuthMethods(ServiceTest):
    def listed(self):
        return self.root.sys.list_auth_methods()["data"]

    def test_tokens_are_there_from_the_start_and_stay(self):
        self.assert_has(self.listed()["token/"], type="token")
        self.assertIn("token/", self.root.sys.list_auth_methods())
        with self.refused(exceptions.InvalidRequest):
            self.root.sys.disable_auth_method("token")
        self.assertIn("token/", self.listed())

    def test_methods_are_enabled_listed_and_disabled(self):
        for kind in ("approle", "userpass", "jwt", "kubernetes", "cert"):
            path = fresh(kind)
            self.assertNotIn(f"{path}/", self.listed())
            made = self.root.sys.enable_auth_method(kind, path=path, description="for tests")
            self.assertEqual(made.status_code, 204)
            entry = self.listed()[f"{path}/"]
            self.assert_has(entry, type=kind, description="for tests")
            self.assertTrue(entry["accessor"].startswith(f"auth_{kind}_"))
            with self.refused(exceptions.InvalidRequest, text=f"path is already in use at {path}/"):
                self.root.sys.enable_auth_method(kind, path=path)
            for _ in range(2):
                self.assertEqual(self.root.sys.disable_auth_method(path).status_code, 204)
                self.assertNotIn(f"{path}/", self.listed())

    def test_a_method_is_mounted_where_it_is_called_if_nothing_is_said(self):
        self.root.sys.enable_auth_method("approle")
        self.addCleanup(self.root.sys.disable_auth_method, "approle")
        self.assertIn("approle/", self.listed())

    def test_a_kind_that_does_not_exist_is_refused(self):
        with self.refused(exceptions.InvalidRequest):
            self.root.sys.enable_auth_method("no-such-method")

    def test_settings_are_tuned_and_read(self):
        path = self.auth_method("approle")
        before = self.root.sys.read_auth_method_tuning(path)["data"]
        self.assert_has(before, default_lease_ttl=MONTH_SECONDS, max_lease_ttl=MONTH_SECONDS)
        made = self.root.sys.tune_auth_method(
            path,
            default_lease_ttl="1h",
            max_lease_ttl=12345678,
            description="tuned",
            listing_visibility="unauth",
            token_type="batch",
        )
        self.assertEqual(made.status_code, 204)
        self.assert_has(
            self.root.sys.read_auth_method_tuning(path)["data"],
            default_lease_ttl=3600,
            max_lease_ttl=12345678,
            description="tuned",
            listing_visibility="unauth",
            token_type="batch",
        )
        self.assertEqual(self.listed()[f"{path}/"]["description"], "tuned")

    def test_the_method_s_times_are_its_tokens(self):
        path = self.auth_method("userpass")
        self.root.sys.tune_auth_method(path, default_lease_ttl="10m", max_lease_ttl="20m")
        self.root.auth.userpass.create_or_update_user("u", "correct horse", mount_point=path)
        client = self.client()
        auth = client.auth.userpass.login("u", "correct horse", mount_point=path)["auth"]
        self.assertEqual(auth["lease_duration"], 600)
        renewed = client.auth.token.renew_self(increment="5h")["auth"]
        self.assertIn(renewed["lease_duration"], range(1100, 1201))

    def test_what_is_not_enabled_has_no_settings(self):
        with self.refused(exceptions.InvalidRequest, exceptions.InvalidPath):
            self.root.sys.read_auth_method_tuning(fresh("absent"))
        with self.refused(exceptions.InvalidRequest, exceptions.InvalidPath):
            self.root.sys.tune_auth_method(fresh("absent"), description="x")


class Mounts(ServiceTest):
    def listed(self):
        return self.root.sys.list_mounted_secrets_engines()["data"]

    def test_engines_are_enabled_listed_tuned_and_disabled(self):
        path = fresh("mount")
        made = self.root.sys.enable_secrets_engine("transit", path=path, description="for tests")
        self.assertEqual(made.status_code, 204)
        self.assert_has(self.listed()[f"{path}/"], type="transit", description="for tests")
        self.assertIn(f"{path}/", self.root.sys.list_mounted_secrets_engines())
        self.assertEqual(
            self.root.sys.retrieve_mount_option(path, "no-such-option", "default"), "default"
        )
        with self.refused(exceptions.InvalidRequest, text=f"path is already in use at {path}/"):
            self.root.sys.enable_secrets_engine("transit", path=path)
        data = self.root.sys.read_mount_configuration(path)["data"]
        self.assert_has(data, default_lease_ttl=MONTH_SECONDS, max_lease_ttl=MONTH_SECONDS)
        made = self.root.sys.tune_mount_configuration(path, description="tuned")
        self.assertEqual(made.status_code, 204)
        self.assertEqual(self.listed()[f"{path}/"]["description"], "tuned")
        for _ in range(2):
            self.assertEqual(self.root.sys.disable_secrets_engine(path).status_code, 204)
            self.assertNotIn(f"{path}/", self.listed())

    def test_engines_of_another_kind_are_not_there(self):
        with self.refused(exceptions.InvalidRequest):
            self.root.sys.enable_secrets_engine("kv", path=fresh("mount"))


class Quotas(ServiceTest):
    def quota(self, **settings):
        name = fresh("quota")
        made = self.root.sys.create_or_update_quota(name, **settings)
        self.assertEqual(made.status_code, 204)
        self.addCleanup(self.client(ROOT_TOKEN).sys.delete_quota, name)
        return name

    def test_quotas_are_written_read_listed_and_deleted(self):
        name = self.quota(rate=100, path="transit/*", interval="600", block_interval="600")
        expected = {
            "name": name,
            "type": "rate-limit",
            "path": "transit/*",
            "rate": 100,
            "interval": 600,
            "block_interval": 600,
            "role": "",
        }
        self.assert_has(self.root.sys.read_quota(name)["data"], **expected)
        self.assertIn(name, self.root.sys.list_quotas()["data"]["keys"])
        self.root.sys.create_or_update_quota(name, rate=101.5, path="transit/*", interval="600")
        self.assertEqual(self.root.sys.read_quota(name)["data"]["rate"], 101.5)
        self.assertEqual(self.root.sys.delete_quota(name).status_code, 204)
        with self.refused(exceptions.InvalidPath):
            self.root.sys.read_quota(name)

    def test_what_makes_no_sense_is_refused(self):
        for wrong in (
            {"rate": 0, "path": "transit/"},
            {"rate": -1, "path": "transit/"},
            {"rate": 1, "path": "no/such/mount"},
            {"rate": 1, "path": "transit/", "interval": "soon"},
        ):
            with self.refused(exceptions.InvalidRequest):
                self.root.sys.create_or_update_quota(fresh("quota"), **wrong)

    def test_what_is_too_much_is_told_so_and_other_paths_are_not(self):
        path = fresh("mount")
        self.root.sys.enable_secrets_engine("transit", path=path)
        self.addCleanup(self.client(ROOT_TOKEN).sys.disable_secrets_engine, path)
        self.root.secrets.transit.create_key("k", mount_point=path)
        self.quota(rate=3, path=f"{path}/", interval="1h")
        with self.refused(exceptions.RateLimitExceeded, text="rate limit quota exceeded"):
            for _ in range(20):
                self.root.secrets.transit.read_key("k", mount_point=path)
        self.root.auth.token.lookup_self()
        self.assertEqual(self.root.sys.read_health_status().status_code, 200)

    def test_a_quota_that_is_gone_limits_nothing(self):
        path = fresh("mount")
        self.root.sys.enable_secrets_engine("transit", path=path)
        self.addCleanup(self.client(ROOT_TOKEN).sys.disable_secrets_engine, path)
        self.root.secrets.transit.create_key("k", mount_point=path)
        name = self.quota(rate=1, path=f"{path}/", interval="1h")
        with self.refused(exceptions.RateLimitExceeded):
            for _ in range(20):
                self.root.secrets.transit.read_key("k", mount_point=path)
        self.root.sys.delete_quota(name)

        def readable():
            try:
                return self.root.secrets.transit.read_key("k", mount_point=path)
            except exceptions.RateLimitExceeded:
                return None

        eventually("an unlimited read", readable)


class Audit(ServiceTest):
    def test_devices_are_configured_on_the_machine_and_not_over_http(self):
        self.root.sys.list_enabled_audit_devices()
        with self.refused(exceptions.InvalidRequest):
            self.root.sys.enable_audit_device("file", options={"file_path": "/dev/null"})
        with self.refused(exceptions.InvalidRequest):
            self.root.sys.disable_audit_device("file")

    def test_no_hash_is_given_for_a_device_that_does_not_exist(self):
        with self.refused(exceptions.InvalidRequest, exceptions.InvalidPath):
            self.root.sys.calculate_hash(fresh("device"), "hvac-rox")


class Errors(ServiceTest):
    """Each status arrives as the class of error that hvac has for it."""

    def test_each_status_has_its_class(self):
        name = self.ring()
        transit = self.root.secrets.transit
        for error, call in (
            (exceptions.InvalidRequest, lambda: transit.decrypt_data(name, "garbage")),
            (exceptions.Forbidden, lambda: self.client("wrong").secrets.transit.read_key(name)),
            (exceptions.InvalidPath, lambda: transit.read_key(fresh("absent"))),
            (exceptions.InvalidPath, lambda: self.root.adapter.get("/v1/no/such/path")),
            (exceptions.UnexpectedError, lambda: self.root.adapter.delete(f"/v1/transit/encrypt/{name}")),
            (exceptions.InternalServerError, lambda: transit.encrypt_data(name, batch_input=[{"x": 1}])),
        ):
            with self.assertRaises(exceptions.VaultError) as caught:
                call()
            self.assertIs(type(caught.exception), error)
            # The body was recognised as JSON, and so its list of errors.
            self.assertIsInstance(caught.exception.json, dict)
            self.assertIsInstance(caught.exception.errors, list)

    def test_what_is_absent_is_none_to_the_general_calls(self):
        self.assertIsNone(self.root.read(f"transit/keys/{fresh('absent')}"))
        self.assertIsNone(self.root.list(f"{fresh('absent')}/keys"))

    def test_what_is_not_offered_is_refused_and_nothing_else_happens(self):
        sys = self.root.sys
        for call in (
            lambda: sys.move_backend("transit", fresh("moved")),
            lambda: sys.read_root_generation_progress(),
            lambda: sys.start_root_token_generation(otp="x"),
            lambda: sys.generate_root("key", "nonce"),
            lambda: sys.cancel_root_generation(),
            lambda: sys.get_encryption_key_status(),
            lambda: sys.rotate_encryption_key(),
            lambda: sys.read_rekey_progress(),
            lambda: sys.start_rekey(),
            lambda: sys.cancel_rekey(),
            lambda: sys.rekey("key", "nonce"),
            lambda: sys.read_rekey_progress(recovery_key=True),
            lambda: sys.read_backup_keys(),
            lambda: sys.read_rekey_verify_progress(),
            lambda: sys.cancel_rekey_verify(),
            lambda: sys.rekey_verify("key", "nonce"),
            lambda: sys.step_down(),
            lambda: sys.read_lease("auth/token/create/x"),
            lambda: sys.list_leases("auth"),
            lambda: sys.renew_lease("auth/token/create/x"),
            lambda: sys.revoke_lease("auth/token/create/x"),
            lambda: sys.revoke_prefix("auth/token"),
            lambda: sys.revoke_force("auth/token"),
        ):
            with self.refused(
                exceptions.InvalidPath, exceptions.InvalidRequest, exceptions.UnexpectedError
            ):
                call()
        self.assertTrue(self.root.is_authenticated())
        self.assertIn("transit/", sys.list_mounted_secrets_engines()["data"])
