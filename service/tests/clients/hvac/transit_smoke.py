"""Keys and data, as hvac drives them, on a mount whose default key type is one that hvac knows."""

import base64

from hvac import exceptions

from sealring import ROOT_TOKEN, ServiceTest, fresh

HELLO = base64.b64encode(b"hello").decode()
TYPES = ("aes256-gcm96", "chacha20-poly1305")
# hvac has a list of its own, which these are not on.
OTHER_TYPES = ("aes128-gcm96", "xchacha20-poly1305", "aes256-gcm-siv")


class Transit(ServiceTest):
    def setUp(self):
        super().setUp()
        self.mount = fresh("mount")
        self.root.sys.enable_secrets_engine(
            "transit", path=self.mount, default_key_type="aes256-gcm96"
        )
        self.addCleanup(self.client(ROOT_TOKEN).sys.disable_secrets_engine, self.mount)
        self.name = fresh("key")

    def call(self, verb, *args, **more):
        return getattr(self.root.secrets.transit, verb)(*args, mount_point=self.mount, **more)

    def encrypt(self, plaintext=HELLO, **more):
        return self.call("encrypt_data", self.name, plaintext, **more)["data"]["ciphertext"]

    def decrypt(self, ciphertext, **more):
        return self.call("decrypt_data", self.name, ciphertext, **more)["data"]["plaintext"]

    def test_the_mount_s_default_type_is_used(self):
        self.assertTrue(self.call("create_key", self.name))
        data = self.call("read_key", self.name)["data"]
        self.assert_has(data, name=self.name, type="aes256-gcm96", latest_version=1)
        settings = self.root.sys.read_mount_configuration(self.mount)["data"]
        self.assertEqual(settings["default_key_type"], "aes256-gcm96")

    def test_every_type_that_encrypts_does(self):
        for kind in TYPES + OTHER_TYPES:
            self.name = fresh("key")
            if kind in TYPES:
                self.call("create_key", self.name, key_type=kind)
            else:
                self.root.write_data(f"{self.mount}/keys/{self.name}", data={"type": kind})
            self.assertEqual(self.call("read_key", self.name)["data"]["type"], kind)
            ciphertext = self.encrypt()
            self.assertTrue(ciphertext.startswith("vault:v1:"))
            self.assertEqual(self.decrypt(ciphertext), HELLO)

    def test_keys_are_listed(self):
        with self.refused(exceptions.InvalidPath):
            self.call("list_keys")
        names = sorted(fresh("key") for _ in range(3))
        for name in names:
            self.call("create_key", name)
        self.assertEqual(self.call("list_keys")["data"]["keys"], names)
        strict = self.client(ROOT_TOKEN, strict_http=True).secrets.transit
        self.assertEqual(strict.list_keys(mount_point=self.mount)["data"]["keys"], names)
        self.assertEqual(self.root.list(f"{self.mount}/keys")["data"]["keys"], names)

    def test_rotation_rewrap_and_minimum_versions(self):
        self.call("create_key", self.name)
        old = self.encrypt()
        self.assertEqual(self.call("rotate_key", self.name)["data"]["latest_version"], 2)
        self.assertTrue(self.encrypt().startswith("vault:v2:"))
        self.assertTrue(self.encrypt(key_version=1).startswith("vault:v1:"))
        new = self.call("rewrap_data", self.name, old)["data"]["ciphertext"]
        self.assertTrue(new.startswith("vault:v2:"))
        self.call("update_key_configuration", self.name, min_decryption_version=2)
        self.assertEqual(self.decrypt(new), HELLO)
        with self.refused(exceptions.InvalidRequest, text="too old"):
            self.decrypt(old)

    def test_versions_are_trimmed(self):
        self.call("create_key", self.name)
        for _ in range(3):
            self.call("rotate_key", self.name)
        with self.refused(exceptions.InvalidRequest):
            self.call("trim_key", self.name, 3)
        self.call("update_key_configuration", self.name, min_decryption_version=3)
        self.call("update_key_configuration", self.name, min_encryption_version=4)
        self.call("trim_key", self.name, 3)
        self.assertEqual(self.call("read_key", self.name)["data"]["min_available_version"], 3)

    def test_batches(self):
        self.call("create_key", self.name)
        plain = [{"plaintext": HELLO, "reference": str(number)} for number in range(10)]
        sealed = self.call("encrypt_data", self.name, batch_input=plain)["data"]["batch_results"]
        self.assertEqual([one["reference"] for one in sealed], [one["reference"] for one in plain])
        items = [{"ciphertext": one["ciphertext"]} for one in sealed]
        rewrapped = self.call("rewrap_data", self.name, None, batch_input=items)
        self.assertEqual(len(rewrapped["data"]["batch_results"]), 10)
        opened = self.call("decrypt_data", self.name, batch_input=items)["data"]["batch_results"]
        self.assertEqual({one["plaintext"] for one in opened}, {HELLO})

    def test_context_and_associated_data(self):
        context, other = (base64.b64encode(word).decode() for word in (b"one", b"two"))
        self.call("create_key", self.name, derived=True, convergent_encryption=True)
        ciphertext = self.encrypt(context=context)
        self.assertEqual(self.encrypt(context=context), ciphertext)
        self.assertEqual(self.decrypt(ciphertext, context=context), HELLO)
        for wrong in ({"context": other}, {}):
            with self.refused(exceptions.InvalidRequest):
                self.decrypt(ciphertext, **wrong)
        self.name = fresh("key")
        self.call("create_key", self.name)
        ciphertext = self.encrypt(associated_data=context)
        self.assertEqual(self.decrypt(ciphertext, associated_data=context), HELLO)
        with self.refused(exceptions.InvalidRequest, text="message authentication failed"):
            self.decrypt(ciphertext, associated_data=other)

    def test_data_keys(self):
        self.call("create_key", self.name)
        for bits in (128, 256, 512):
            data = self.call("generate_data_key", self.name, "plaintext", bits=bits)["data"]
            self.assertEqual(len(base64.b64decode(data["plaintext"])), bits // 8)
            self.assertEqual(self.decrypt(data["ciphertext"]), data["plaintext"])
        data = self.call("generate_data_key", self.name, "wrapped")["data"]
        self.assertNotIn("plaintext", data)

    def test_a_key_is_deleted_once_that_is_allowed(self):
        self.call("create_key", self.name)
        with self.refused(exceptions.InvalidRequest):
            self.call("delete_key", self.name)
        self.call("update_key_configuration", self.name, deletion_allowed=True)
        self.assertEqual(self.call("delete_key", self.name).status_code, 204)
        with self.refused(exceptions.InvalidPath):
            self.call("read_key", self.name)

    def test_a_period_is_given_as_text_and_read_in_seconds(self):
        self.call("create_key", self.name, auto_rotate_period="1h")
        self.assertEqual(self.call("read_key", self.name)["data"]["auto_rotate_period"], 3600)

    def test_the_general_calls_do_the_same(self):
        self.root.write_data(f"{self.mount}/keys/{self.name}")
        sealed = self.root.write_data(
            f"{self.mount}/encrypt/{self.name}", data={"plaintext": HELLO}
        )
        opened = self.root.write_data(
            f"{self.mount}/decrypt/{self.name}", data={"ciphertext": sealed["data"]["ciphertext"]}
        )
        self.assertEqual(opened["data"]["plaintext"], HELLO)
