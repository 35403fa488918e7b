"""Keys as hvac makes, reads, lists, configures, rotates, trims and deletes them."""

from cryptography.hazmat.primitives import serialization

from hvac import exceptions

from sealring import AT_FAULT, ROOT_TOKEN, fresh
from transit import (
    CURVES,
    HELLO,
    RSA,
    SYMMETRIC,
    TOO_OLD,
    UNKNOWN_TO_HVAC,
    TransitTest,
    decoded,
)

EVERY_TYPE = SYMMETRIC + UNKNOWN_TO_HVAC + CURVES + RSA + ("ed25519",)


class Creating(TransitTest):
    def test_a_key_is_made(self):
        name = fresh("key")
        self.assertTrue(self.call("create_key", name))
        self.assert_has(
            self.read(name),
            name=name,
            type="aes256-gcm96",
            latest_version=1,
            min_available_version=0,
            min_decryption_version=1,
            min_encryption_version=0,
            derived=False,
            exportable=False,
            allow_plaintext_backup=False,
            deletion_allowed=False,
            imported_key=False,
            auto_rotate_period=0,
        )

    def test_every_type_is_made_and_says_what_it_can_do(self):
        for kind in EVERY_TYPE:
            with self.subTest(kind):
                data = self.read(self.key(kind))
                symmetric = kind in SYMMETRIC + UNKNOWN_TO_HVAC
                self.assert_has(
                    data,
                    type=kind,
                    supports_encryption=symmetric or kind in RSA,
                    supports_decryption=symmetric or kind in RSA,
                    supports_signing=not symmetric,
                    supports_derivation=symmetric or kind == "ed25519",
                )
                self.assertEqual(list(data["keys"]), ["1"])
                self.assertEqual(isinstance(data["keys"]["1"], int), symmetric)

    def test_the_public_half_of_a_key_can_be_loaded(self):
        for kind in CURVES + RSA:
            version = self.read(self.key(kind))["keys"]["1"]
            public = serialization.load_pem_public_key(version["public_key"].encode())
            bits = int(kind.rsplit("-", 1)[1].lstrip("p"))
            self.assertEqual((kind, public.key_size), (kind, bits))
            name = kind if kind in RSA else f"P-{bits}"
            self.assertEqual(version["name"], name)
        version = self.read(self.key("ed25519"))["keys"]["1"]
        self.assertEqual(version["name"], "ed25519")
        self.assertEqual(len(decoded(version["public_key"])), 32)

    def test_a_key_for_hmac_has_the_size_that_was_asked_for(self):
        data = self.read(self.key("hmac", key_size=48))
        self.assert_has(data, type="hmac", key_size=48, supports_signing=False)
        self.assertNotIn("keys", data)
        for size in (0, 31, 513):
            with self.refused(*AT_FAULT):
                self.key("hmac", key_size=size)

    def test_the_settings_given_are_kept(self):
        name = self.key(
            derived=True,
            convergent_encryption=True,
            exportable=True,
            allow_plaintext_backup=True,
        )
        self.assert_has(
            self.read(name),
            derived=True,
            convergent_encryption=True,
            exportable=True,
            allow_plaintext_backup=True,
            kdf="hkdf_sha256",
        )

    def test_a_period_is_given_as_text_and_read_in_seconds(self):
        name = self.key(auto_rotate_period="1h")
        self.assertEqual(self.read(name)["auto_rotate_period"], 3600)
        self.config(name, auto_rotate_period="24h")
        self.assertEqual(self.read(name)["auto_rotate_period"], 86400)
        self.config(name, auto_rotate_period="0")
        self.assertEqual(self.read(name)["auto_rotate_period"], 0)

    def test_a_period_under_an_hour_is_refused(self):
        with self.refused(exceptions.InvalidRequest, text="at least an hour"):
            self.key(auto_rotate_period="59m")
        with self.refused(exceptions.InvalidRequest, text="at least an hour"):
            self.config(self.key(), auto_rotate_period="3599s")

    def test_making_a_key_again_changes_nothing(self):
        name = self.key()
        before = self.read(name)
        self.assertTrue(self.call("create_key", name, key_type="ed25519", exportable=True))
        self.assertEqual(self.read(name), before)

    def test_an_unknown_type_is_refused(self):
        with self.assertRaises(exceptions.ParamValidationError):
            self.key("kitty-cat-key")
        with self.refused(exceptions.InvalidRequest, text="unknown key type"):
            self.write(f"keys/{fresh('key')}", type="kitty-cat-key")

    def test_convergent_encryption_needs_derivation(self):
        with self.assertRaises(exceptions.ParamValidationError):
            self.key(convergent_encryption=True)
        with self.refused(exceptions.InvalidRequest, text="derivation to be enabled"):
            self.write(f"keys/{fresh('key')}", convergent_encryption=True)

    def test_derivation_is_refused_where_there_is_none(self):
        for kind in ("rsa-2048", "ecdsa-p256"):
            with self.refused(*AT_FAULT, text="derivation"):
                self.key(kind, derived=True)
        with self.refused(*AT_FAULT, text="convergent"):
            self.key("ed25519", derived=True, convergent_encryption=True)

    def test_a_size_is_refused_where_there_is_none(self):
        with self.refused(exceptions.InvalidRequest, text="key_size is not valid"):
            self.write(f"keys/{fresh('key')}", type="aes256-gcm96", key_size=32)

    def test_text_stands_for_numbers_and_truth_values(self):
        name = fresh("key")
        self.write(f"keys/{name}", exportable="true", auto_rotate_period="3600", derived="0")
        self.assert_has(self.read(name), exportable=True, auto_rotate_period=3600)


class Listing(TransitTest):
    def test_keys_are_listed(self):
        with self.refused(exceptions.InvalidPath):
            self.call("list_keys")
        names = sorted(self.key() for _ in range(3))
        self.assertEqual(self.call("list_keys")["data"]["keys"], names)
        strict = self.client(ROOT_TOKEN, strict_http=True).secrets.transit
        self.assertEqual(strict.list_keys(mount_point=self.mount)["data"]["keys"], names)
        self.assertEqual(self.root.list(f"{self.mount}/keys")["data"]["keys"], names)

    def test_an_unknown_key_is_not_found(self):
        with self.refused(exceptions.InvalidPath):
            self.call("read_key", fresh("key"))
        self.assertIsNone(self.root.read(f"{self.mount}/keys/{fresh('key')}"))

    def test_a_name_outside_the_grammar_is_not_found(self):
        for name in ("-x", "x-", "a b", "a/b"):
            with self.refused(exceptions.InvalidPath):
                self.call("create_key", name)


class Deleting(TransitTest):
    def test_a_key_is_deleted_once_that_is_allowed(self):
        name = self.key()
        with self.refused(exceptions.InvalidRequest, text="deletion is not allowed"):
            self.call("delete_key", name)
        self.assertTrue(self.config(name, deletion_allowed=True))
        self.assertEqual(self.call("delete_key", name).status_code, 204)
        with self.refused(exceptions.InvalidPath):
            self.call("read_key", name)

    def test_what_is_not_there_is_not_deleted(self):
        with self.refused(exceptions.InvalidRequest, text="not found"):
            self.call("delete_key", fresh("key"))

    def test_a_key_made_again_is_another_key(self):
        name = self.key()
        old = self.encrypt(name)
        self.config(name, deletion_allowed=True)
        self.call("delete_key", name)
        self.call("create_key", name)
        with self.refused(exceptions.InvalidRequest, text="message authentication failed"):
            self.decrypt(name, old)

    def test_a_soft_deleted_key_is_out_of_use_until_it_is_restored(self):
        name = self.key()
        sealed = self.encrypt(name)
        self.root.delete(f"{self.mount}/keys/{name}/soft-delete")
        self.assertTrue(self.read(name)["soft_deleted"])
        for use in (
            lambda: self.encrypt(name),
            lambda: self.decrypt(name, sealed),
            lambda: self.call("rewrap_data", name, sealed),
            lambda: self.hmac(name),
            lambda: self.call("rotate_key", name),
        ):
            with self.refused(*AT_FAULT, text="refusing to use soft-deleted key"):
                use()
        self.write(f"keys/{name}/soft-delete-restore")
        self.assertFalse(self.read(name)["soft_deleted"])
        self.assert_opens(name, sealed)


class Configuring(TransitTest):
    def test_settings_are_kept(self):
        name = self.key()
        self.rotate(name, 3)
        self.config(name, min_decryption_version=2)
        self.config(name, min_encryption_version=3, deletion_allowed=True)
        self.config(name, exportable=True, allow_plaintext_backup=True, auto_rotate_period="2h")
        self.assert_has(
            self.read(name),
            min_decryption_version=2,
            min_encryption_version=3,
            deletion_allowed=True,
            exportable=True,
            allow_plaintext_backup=True,
            auto_rotate_period=7200,
            latest_version=4,
        )
        self.config(name, deletion_allowed=False)
        self.assertFalse(self.read(name)["deletion_allowed"])

    def test_what_lets_material_out_cannot_be_taken_back(self):
        name = self.key(exportable=True, allow_plaintext_backup=True)
        self.config(name, exportable=False, allow_plaintext_backup=False)
        self.assert_has(self.read(name), exportable=True, allow_plaintext_backup=True)

    def test_versions_that_cannot_be_are_refused(self):
        name = self.key()
        self.rotate(name)
        for wrong, text in (
            ({"min_decryption_version": -1}, "cannot be negative"),
            ({"min_decryption_version": 3}, "latest key version is 2"),
            ({"min_encryption_version": -1}, "cannot be negative"),
            ({"min_encryption_version": 3}, "latest key version is 2"),
        ):
            with self.refused(exceptions.InvalidRequest, text=text):
                self.config(name, **wrong)
        with self.refused(exceptions.InvalidRequest, text="must be greater than or equal"):
            self.write(f"keys/{name}/config", min_encryption_version=1, min_decryption_version=2)
        # hvac is stricter than the protocol, which lets the two be equal.
        with self.assertRaises(exceptions.ParamValidationError):
            self.config(name, min_encryption_version=2, min_decryption_version=2)
        self.assert_has(self.read(name), min_decryption_version=1, min_encryption_version=0)

    def test_an_unknown_key_has_no_settings(self):
        with self.refused(exceptions.InvalidRequest, text="no existing key named"):
            self.config(fresh("key"), deletion_allowed=True)

    def test_keys_are_made_by_encrypting_only_where_that_is_turned_on(self):
        self.write("config/keys", disable_upsert=False)
        self.assertEqual(self.get("config/keys"), {"disable_upsert": False})
        name = fresh("key")
        self.assert_opens(name, self.encrypt(name))
        derived = fresh("key")
        self.encrypt(derived, context=HELLO, type="chacha20-poly1305")
        self.assert_has(self.read(derived), derived=True, type="chacha20-poly1305")
        self.write("config/keys", disable_upsert=True)
        self.assertEqual(self.get("config/keys"), {"disable_upsert": True})
        with self.refused(exceptions.InvalidRequest, text="encryption key not found"):
            self.encrypt(fresh("key"))

    def test_the_size_of_the_cache_is_kept(self):
        self.write("cache-config", size=123)
        self.assertEqual(self.get("cache-config"), {"size": 123})
        with self.refused(exceptions.InvalidRequest, text="size must be 0 or a value greater"):
            self.write("cache-config", size=9)
        self.write("cache-config", size=0)
        self.assertEqual(self.get("cache-config"), {"size": 0})


class Rotating(TransitTest):
    def test_every_type_is_rotated(self):
        for kind in SYMMETRIC + UNKNOWN_TO_HVAC + CURVES + ("rsa-2048", "ed25519"):
            with self.subTest(kind):
                name = self.key(kind)
                self.assertTrue(self.call("rotate_key", name))
                data = self.read(name)
                self.assertEqual((data["latest_version"], sorted(data["keys"])), (2, ["1", "2"]))

    def test_versions_below_the_minimum_are_hidden_and_come_back(self):
        name = self.key()
        old = self.encrypt(name)
        self.rotate(name, 2)
        self.config(name, min_decryption_version=3)
        self.assertEqual(list(self.read(name)["keys"]), ["3"])
        with self.refused(exceptions.InvalidRequest, text=TOO_OLD):
            self.decrypt(name, old)
        self.config(name, min_decryption_version=1)
        self.assertEqual(sorted(self.read(name)["keys"]), ["1", "2", "3"])
        self.assert_opens(name, old)

    def test_what_is_not_there_is_not_rotated(self):
        with self.refused(exceptions.InvalidRequest, text="key not found"):
            self.call("rotate_key", fresh("key"))

    def test_versions_are_trimmed(self):
        name = self.key()
        self.rotate(name, 10)
        self.config(name, min_decryption_version=3, min_encryption_version=9)
        self.assertTrue(self.call("trim_key", name, 2))
        self.assert_has(self.read(name), min_available_version=2, latest_version=11)
        with self.refused(exceptions.InvalidRequest):
            self.config(name, min_decryption_version=1)

    def test_a_trim_is_refused_that_would_take_a_version_in_use(self):
        name = self.key()
        self.rotate(name, 3)
        with self.refused(exceptions.InvalidRequest, text="minimum encryption version is not set"):
            self.call("trim_key", name, 1)
        self.config(name, min_decryption_version=2)
        self.config(name, min_encryption_version=3)
        for version, text in ((4, "greater than"), (3, "greater than minimum decryption")):
            with self.refused(exceptions.InvalidRequest, text=text):
                self.call("trim_key", name, version)
        self.call("trim_key", name, 2)
        with self.refused(exceptions.InvalidRequest, text="cannot be decremented"):
            self.call("trim_key", name, 1)
        with self.refused(exceptions.InvalidRequest, text="missing min_available_version"):
            self.write(f"keys/{name}/trim")
        with self.refused(exceptions.InvalidRequest, text="invalid key name"):
            self.call("trim_key", fresh("key"), 1)


class Permissions(TransitTest):
    def test_a_token_without_a_policy_is_forbidden_everything(self):
        name = self.key(exportable=True, allow_plaintext_backup=True)
        stranger = self.holder('path "cubbyhole/none" { capabilities = ["read"] }')
        transit = stranger.secrets.transit
        for verb, *args in (
            ("create_key", name),
            ("read_key", name),
            ("list_keys",),
            ("delete_key", name),
            ("update_key_configuration", name),
            ("rotate_key", name),
            ("export_key", name, "hmac-key"),
            ("encrypt_data", name, HELLO),
            ("decrypt_data", name, "vault:v1:AAAA"),
            ("rewrap_data", name, "vault:v1:AAAA"),
            ("generate_data_key", name, "plaintext"),
            ("generate_random_bytes", 32),
            ("hash_data", HELLO),
            ("generate_hmac", name, HELLO),
            ("sign_data", name, HELLO),
            ("verify_signed_data", name, HELLO, "vault:v1:AAAA"),
            ("backup_key", name),
            ("restore_key", "AAAA"),
            ("trim_key", name, 1),
        ):
            with self.subTest(verb), self.refused(exceptions.Forbidden, text="permission denied"):
                getattr(transit, verb)(*args, mount_point=self.mount)

    def test_a_token_does_what_its_policy_names_and_no_more(self):
        name = self.key()
        policy = f'path "{self.mount}/encrypt/{name}" {{ capabilities = ["update"] }}'
        writer = self.holder(policy).secrets.transit
        sealed = writer.encrypt_data(name, HELLO, mount_point=self.mount)["data"]["ciphertext"]
        self.assert_opens(name, sealed)
        with self.refused(exceptions.Forbidden):
            writer.decrypt_data(name, sealed, mount_point=self.mount)

    def test_update_alone_makes_no_key(self):
        self.write("config/keys", disable_upsert=False)
        rule = f'path "{self.mount}/encrypt/*" {{ capabilities = ["%s"] }}'
        name = fresh("key")
        with self.refused(exceptions.Forbidden):
            self.holder(rule % "update").secrets.transit.encrypt_data(
                name, HELLO, mount_point=self.mount
            )
        self.holder(rule % "create").secrets.transit.encrypt_data(
            name, HELLO, mount_point=self.mount
        )
        self.assertEqual(self.read(name)["latest_version"], 1)

    def test_an_unknown_mount_is_not_found(self):
        with self.refused(exceptions.InvalidPath):
            self.root.secrets.transit.read_key("x", mount_point=fresh("nowhere"))


class SealringsOwn(TransitTest):
    """What no other server of the protocol does."""

    def test_the_mount_s_default_type_is_used(self):
        settings = self.root.sys.read_mount_configuration(self.mount)["data"]
        self.assertEqual(settings["default_key_type"], "aes256-gcm96")
        name = fresh("ring")
        self.root.secrets.transit.create_key(name)
        kind = self.root.secrets.transit.read_key(name)["data"]["type"]
        self.assertEqual(kind, "aes256-gcm-siv")

    def test_no_key_is_made_by_encrypting_unless_that_is_turned_on(self):
        self.assertEqual(self.get("config/keys"), {"disable_upsert": True})
        with self.refused(exceptions.InvalidRequest, text="encryption key not found"):
            self.encrypt(fresh("key"))

    def test_its_own_type_is_read_by_an_old_client(self):
        name = fresh("key")
        self.write(f"keys/{name}", type="aes256-gcm-siv")
        self.assert_has(self.read(name), type="aes256-gcm-siv", supports_encryption=True)
        self.assert_opens(name, self.encrypt(name))
