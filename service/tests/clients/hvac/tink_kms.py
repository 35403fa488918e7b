"""Tink with its key-encryption key in the service, as its users seal data and keysets with it."""

import io

import tink
from tink import aead
from tink.integration import hcvault

from sealring import fresh
from transit import TransitTest


def setUpModule():
    aead.register()


class Tink(TransitTest):
    def remote(self, name, token=None):
        """The key as Tink sees it: something that seals and opens."""
        client = self.client(token) if token else self.root
        return hcvault.new_aead(f"{self.mount}/keys/{name}", client)

    def envelope(self, name, template=None):
        """Data sealed with a fresh key each time, which is sealed by the service."""
        template = template or aead.aead_key_templates.AES256_GCM
        return aead.KmsEnvelopeAead(template, self.remote(name))


class Remote(Tink):
    def test_what_is_sealed_is_opened(self):
        for kind in ("aes256-gcm96", "chacha20-poly1305", "rsa-2048"):
            key = self.remote(self.key(kind))
            for plaintext in (b"", b"hello", bytes(range(190))):
                sealed = key.encrypt(plaintext, b"")
                self.assertTrue(sealed.startswith(b"vault:v1:"))
                self.assertEqual(key.decrypt(sealed, b""), plaintext)

    def test_hvac_opens_what_tink_seals_and_the_other_way(self):
        name = self.key()
        sealed = self.remote(name).encrypt(b"hello", b"")
        self.assert_opens(name, sealed.decode())
        self.assertEqual(self.remote(name).decrypt(self.encrypt(name).encode(), b""), b"hello")

    def test_rotation_keeps_what_was_sealed(self):
        name = self.key()
        key = self.remote(name)
        old = key.encrypt(b"hello", b"")
        self.rotate(name)
        self.assertTrue(key.encrypt(b"hello", b"").startswith(b"vault:v2:"))
        self.assertEqual(key.decrypt(old, b""), b"hello")
        self.config(name, min_decryption_version=2)
        with self.assertRaisesRegex(tink.TinkError, "too old"):
            key.decrypt(old, b"")

    def test_another_key_does_not_open(self):
        sealed = self.remote(self.key()).encrypt(b"hello", b"")
        with self.assertRaisesRegex(tink.TinkError, "message authentication failed"):
            self.remote(self.key()).decrypt(sealed, b"")

    def test_every_changed_byte_is_noticed(self):
        key = self.remote(self.key())
        sealed = key.encrypt(b"hello", b"")
        for place in range(len(sealed)):
            changed = bytearray(sealed)
            changed[place] ^= 2
            with self.assertRaises(tink.TinkError):
                key.decrypt(bytes(changed), b"")

    def test_an_unknown_key_and_an_unknown_token_are_refused(self):
        # Where keys are made by encrypting, there is no unknown key.
        self.write("config/keys", disable_upsert=True)
        with self.assertRaises(tink.TinkError):
            self.remote(fresh("key")).encrypt(b"hello", b"")
        with self.assertRaisesRegex(tink.TinkError, "permission denied"):
            self.remote(self.key(), "notavalidtoken").encrypt(b"hello", b"")

    def test_associated_data_is_tink_s_own_affair(self):
        key = self.remote(self.key())
        with self.assertRaisesRegex(tink.TinkError, "only allows empty associated data"):
            key.encrypt(b"hello", b"data")

    def test_a_mount_may_have_slashes_in_its_path(self):
        path = f"{fresh('teams')}/billing/transit"
        self.root.sys.enable_secrets_engine("transit", path=path)
        self.addCleanup(self.client(self.root.token).sys.disable_secrets_engine, path)
        self.root.secrets.transit.create_key("pci-key", mount_point=path)
        key = hcvault.new_aead(f"/{path}/keys/pci-key", self.root)
        self.assertEqual(key.decrypt(key.encrypt(b"hello", b""), b""), b"hello")


class Envelopes(Tink):
    def test_data_is_sealed_under_keys_that_the_service_seals(self):
        templates = aead.aead_key_templates
        for template in (
            templates.AES128_GCM,
            templates.AES256_GCM,
            templates.AES256_GCM_SIV,
            templates.XCHACHA20_POLY1305,
            templates.AES256_CTR_HMAC_SHA256,
        ):
            envelope = self.envelope(self.key(), template)
            plaintext = bytes(range(256)) * 4096
            sealed = envelope.encrypt(plaintext, b"data")
            self.assertIn(b"vault:v1:", sealed[:16])
            self.assertEqual(envelope.decrypt(sealed, b"data"), plaintext)

    def test_associated_data_must_be_the_same(self):
        envelope = self.envelope(self.key())
        sealed = envelope.encrypt(b"hello", b"data")
        for wrong in (b"other", b""):
            with self.assertRaises(tink.TinkError):
                envelope.decrypt(sealed, wrong)

    def test_another_key_does_not_open(self):
        sealed = self.envelope(self.key()).encrypt(b"hello", b"data")
        with self.assertRaises(tink.TinkError):
            self.envelope(self.key()).decrypt(sealed, b"data")

    def test_rotation_keeps_what_was_sealed(self):
        name = self.key()
        envelope = self.envelope(name)
        sealed = envelope.encrypt(b"hello", b"data")
        self.rotate(name)
        self.assertEqual(envelope.decrypt(sealed, b"data"), b"hello")
        self.assertIn(b"vault:v2:", envelope.encrypt(b"hello", b"data")[:16])


class Keysets(Tink):
    def test_a_keyset_rests_sealed(self):
        key = self.remote(self.key())
        keyset = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
        sealed = keyset.primitive(aead.Aead).encrypt(b"hello", b"data")
        rested = io.StringIO()
        keyset.write(tink.JsonKeysetWriter(rested), key)
        self.assertIn("encryptedKeyset", rested.getvalue())
        again = tink.read_keyset_handle(tink.JsonKeysetReader(rested.getvalue()), key)
        self.assertEqual(again.primitive(aead.Aead).decrypt(sealed, b"data"), b"hello")
        other = self.remote(self.key())
        with self.assertRaises(tink.TinkError):
            tink.read_keyset_handle(tink.JsonKeysetReader(rested.getvalue()), other)
