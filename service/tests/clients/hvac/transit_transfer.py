"""Key material on its way out and in: exports, backups, imports, certificates and keys agreed upon with others."""

import datetime
import secrets
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.x509.oid import NameOID

from hvac import exceptions

from sealring import AT_FAULT, ROOT_TOKEN, fresh
from transit import (
    CURVES,
    HELLO,
    RSA,
    SYMMETRIC,
    UNKNOWN_TO_HVAC,
    TransitTest,
    decoded,
    encoded,
    payload,
)

FUNCTIONS = {
    "SHA1": hashes.SHA1(),
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
CURVES_OF_TYPES = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}


def private_pem(private):
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(public):
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def pkcs8(private):
    return private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def private_key(kind):
    """A new private key of a type of the protocol's."""
    if kind in RSA:
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa-")))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES_OF_TYPES[kind.removeprefix("ecdsa-")]())


class Exporting(TransitTest):
    def test_every_symmetric_type_is_exported(self):
        for kind in SYMMETRIC + UNKNOWN_TO_HVAC:
            name = self.key(kind, exportable=True)
            data = self.call("export_key", name, "encryption-key")["data"]
            self.assertEqual((data["name"], list(data["keys"])), (name, ["1"]))
            size = 16 if kind == "aes128-gcm96" else 32
            self.assertEqual(len(decoded(data["keys"]["1"])), size)

    def test_every_type_that_signs_is_exported(self):
        for kind in CURVES + RSA:
            name = self.key(kind, exportable=True)
            pem = self.export(name, "signing-key")["1"]
            private = serialization.load_pem_private_key(pem.encode(), None)
            known = self.read(name)["keys"]["1"]["public_key"]
            self.assertEqual(public_pem(private.public_key()).strip(), known.strip())
        name = self.key("ed25519", exportable=True)
        both = decoded(self.export(name, "signing-key")["1"])
        private = ed25519.Ed25519PrivateKey.from_private_bytes(both[:32])
        known = decoded(self.read(name)["keys"]["1"]["public_key"])
        self.assertEqual((private.public_key().public_bytes_raw(), both[32:]), (known, known))

    def test_rsa_is_exported_for_decryption(self):
        name = self.key("rsa-2048", exportable=True)
        pem = self.export(name, "encryption-key")["1"]
        private = serialization.load_pem_private_key(pem.encode(), None)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        self.assertEqual(private.decrypt(payload(self.encrypt(name)), oaep), b"hello")
        sealed = encoded(private.public_key().encrypt(b"hello", oaep))
        self.assert_opens(name, f"vault:v1:{sealed}")

    def test_every_type_has_a_key_for_hmac(self):
        for kind in SYMMETRIC + UNKNOWN_TO_HVAC + CURVES + ("rsa-2048", "ed25519"):
            name = self.key(kind, exportable=True)
            self.assertEqual(len(decoded(self.export(name, "hmac-key")["1"])), 32)

    def test_all_versions_one_or_the_latest(self):
        name = self.key(exportable=True)
        self.rotate(name, 2)
        every = self.export(name, "encryption-key")
        self.assertEqual(sorted(every), ["1", "2", "3"])
        self.assertEqual(self.export(name, "encryption-key", "2"), {"2": every["2"]})
        self.assertEqual(self.export(name, "encryption-key", "latest"), {"3": every["3"]})
        self.config(name, min_decryption_version=2)
        self.assertEqual(sorted(self.export(name, "encryption-key")), ["2", "3"])
        for version, text in (
            ("1", "below minimum decryption version"),
            ("4", "does not exist or cannot be found"),
            ("x", "invalid key version"),
        ):
            with self.refused(exceptions.InvalidRequest, text=text):
                self.export(name, "encryption-key", version)

    def test_public_keys_are_exported_whatever_the_settings(self):
        for kind in CURVES + ("rsa-2048",):
            name = self.key(kind)
            pem = self.get(f"export/public-key/{name}")["keys"]["1"]
            known = self.read(name)["keys"]["1"]["public_key"]
            self.assertEqual(pem.strip(), known.strip())
        name = self.key("ed25519")
        raw = self.get(f"export/public-key/{name}/latest")["keys"]["1"]
        self.assertEqual(raw, self.read(name)["keys"]["1"]["public_key"])

    def test_the_encoding_can_be_chosen(self):
        for kind in CURVES + ("rsa-2048", "ed25519"):
            name = self.key(kind, exportable=True)
            pem = self.get(f"export/signing-key/{name}?format=pem")["keys"]["1"]
            der = self.get(f"export/signing-key/{name}?format=der")["keys"]["1"]
            private = serialization.load_der_private_key(decoded(der), None)
            self.assertEqual(private_pem(private).decode().strip(), pem.strip())
            self.assertIn("-----BEGIN PRIVATE KEY-----", pem)
        with self.refused(exceptions.InvalidRequest, text="invalid format"):
            self.get(f"export/signing-key/{name}?format=kitty")

    def test_what_may_not_go_out_stays(self):
        name = self.key()
        for kind in ("encryption-key", "hmac-key"):
            with self.refused(exceptions.InvalidRequest, text="not exportable"):
                self.export(name, kind)
        self.config(name, exportable=True)
        self.export(name, "encryption-key")

    def test_what_a_type_has_not_is_not_exported(self):
        with self.refused(exceptions.InvalidRequest, text="signing not supported"):
            self.export(self.key(exportable=True), "signing-key")
        with self.refused(exceptions.InvalidRequest, text="encryption not supported"):
            self.export(self.key("ed25519", exportable=True), "encryption-key")
        with self.assertRaises(exceptions.ParamValidationError):
            self.export(self.key(exportable=True), "kitty-cat-key")
        with self.refused(exceptions.InvalidRequest, text="invalid export type"):
            self.get(f"export/kitty-cat-key/{self.key(exportable=True)}")
        with self.refused(exceptions.InvalidPath):
            self.export(fresh("key"), "hmac-key")


class BackingUp(TransitTest):
    def backup(self, name):
        return self.call("backup_key", name)["data"]["backup"]

    def open_key(self, kind=None, **more):
        """A key that may be backed up."""
        return self.key(kind, exportable=True, allow_plaintext_backup=True, **more)

    def test_a_key_comes_back_under_another_name(self):
        name, copy = self.open_key(), fresh("copy")
        old = self.encrypt(name)
        self.rotate(name)
        new = self.encrypt(name)
        self.assertTrue(self.call("restore_key", self.backup(name), copy))
        for sealed in (old, new):
            self.assert_opens(copy, sealed)
        self.assert_has(self.read(copy), name=copy, latest_version=2)
        self.assertEqual(self.hmac(copy), self.hmac(name))

    def test_a_key_comes_back_under_its_own_name(self):
        name = self.open_key()
        sealed, backup = self.encrypt(name), self.backup(name)
        self.config(name, deletion_allowed=True)
        self.call("delete_key", name)
        self.call("restore_key", backup)
        self.assert_opens(name, sealed)

    def test_every_type_comes_back(self):
        for kind in SYMMETRIC + UNKNOWN_TO_HVAC + CURVES + ("rsa-2048", "ed25519"):
            with self.subTest(kind):
                name, copy = self.open_key(kind), fresh("copy")
                self.rotate(name)
                self.call("restore_key", self.backup(name), copy)
                self.assertEqual(self.export(copy, "hmac-key"), self.export(name, "hmac-key"))
                if kind in CURVES + ("rsa-2048", "ed25519"):
                    self.assertTrue(self.verify(copy, signature=self.sign(name)))
                    self.assertTrue(self.verify(name, signature=self.sign(copy)))
                else:
                    self.assert_opens(copy, self.encrypt(name))

    def test_a_key_for_hmac_and_a_derived_one_come_back(self):
        name, copy = self.open_key("hmac", key_size=32), fresh("copy")
        self.call("restore_key", self.backup(name), copy)
        self.assertEqual(self.hmac(copy), self.hmac(name))
        name, copy = self.open_key(derived=True, convergent_encryption=True), fresh("copy")
        self.call("restore_key", self.backup(name), copy)
        self.assertEqual(self.encrypt(copy, context=HELLO), self.encrypt(name, context=HELLO))

    def test_a_backup_that_is_not_allowed_is_refused(self):
        name = self.key(exportable=True)
        with self.refused(exceptions.InternalServerError, text="plaintext backup is disallowed"):
            self.backup(name)
        name = self.key(allow_plaintext_backup=True)
        with self.refused(exceptions.InternalServerError, text="exporting is disallowed"):
            self.backup(name)
        with self.refused(exceptions.InternalServerError, text="not found"):
            self.backup(fresh("key"))

    def test_a_key_is_not_restored_over_another_unless_forced(self):
        name = self.open_key()
        backup, sealed = self.backup(name), self.encrypt(name)
        with self.refused(exceptions.InternalServerError, text="already exists"):
            self.call("restore_key", backup)
        with self.refused(exceptions.InternalServerError, text="already exists"):
            self.call("restore_key", backup, name, force=False)
        other = self.key()
        self.call("restore_key", backup, other, force=True)
        self.assert_opens(other, sealed)

    def test_what_is_no_backup_is_refused(self):
        with self.refused(exceptions.InvalidRequest, text="'backup' must be supplied"):
            self.write("restore")
        for wrong in ("!", encoded("{"), encoded("[]")):
            with self.subTest(wrong), self.refused(*AT_FAULT):
                self.call("restore_key", wrong, fresh("copy"))


class ImportTest(TransitTest):
    # A wrapping key takes long to make, so that these tests share a mount.
    shared = []

    def own_mount(self):
        if not self.shared:
            self.shared.append(fresh("shared"))
            self.enable(self.shared[0])
            root = self.client(ROOT_TOKEN).sys
            unittest.addModuleCleanup(root.disable_secrets_engine, self.shared[0])
        return self.shared[0]

    def setUp(self):
        super().setUp()
        pem = self.get("wrapping_key")["public_key"]
        self.wrapping = serialization.load_pem_public_key(pem.encode())

    def wrapped(self, material, function=hashes.SHA256(), wrapping=None):
        """Key material as the protocol wants it to be wrapped."""
        ephemeral = secrets.token_bytes(32)
        oaep = padding.OAEP(padding.MGF1(function), function, None)
        first = (wrapping or self.wrapping).encrypt(ephemeral, oaep)
        return encoded(first + aes_key_wrap_with_padding(ephemeral, material))

    def imported(self, kind, material, **more):
        name = fresh("imported")
        self.write(f"keys/{name}/import", type=kind, ciphertext=self.wrapped(material), **more)
        return name


class Importing(ImportTest):
    def test_the_wrapping_key_stays_the_same(self):
        self.assertEqual(self.wrapping.key_size, 4096)
        again = self.get("wrapping_key")["public_key"]
        self.assertEqual(public_pem(self.wrapping).strip(), again.strip())

    def test_every_symmetric_type_is_imported(self):
        for kind in SYMMETRIC + UNKNOWN_TO_HVAC:
            with self.subTest(kind):
                material = secrets.token_bytes(16 if kind == "aes128-gcm96" else 32)
                name = self.imported(kind, material, exportable=True)
                self.assert_has(self.read(name), type=kind, imported_key=True)
                self.assertEqual(self.export(name, "encryption-key"), {"1": encoded(material)})
                self.assert_opens(name, self.encrypt(name))

    def test_an_imported_key_opens_what_it_sealed_before(self):
        key, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
        name = self.imported("aes256-gcm96", key)
        sealed = encoded(nonce + AESGCM(key).encrypt(nonce, b"hello", None))
        self.assert_opens(name, f"vault:v1:{sealed}")

    def test_every_type_that_signs_is_imported(self):
        for kind in CURVES + ("rsa-2048", "rsa-3072", "ed25519"):
            with self.subTest(kind):
                private = private_key(kind)
                name = self.imported(kind, pkcs8(private))
                self.assertTrue(self.verify(name, signature=self.sign(name)))
                if kind == "ed25519":
                    known = self.read(name)["keys"]["1"]["public_key"]
                    self.assertEqual(decoded(known), private.public_key().public_bytes_raw())

    def test_a_key_for_hmac_is_imported(self):
        name = self.imported("hmac", bytes(range(40)), exportable=True)
        self.assertEqual(self.export(name, "hmac-key"), {"1": encoded(bytes(range(40)))})

    def test_the_hash_of_the_wrapping_can_be_chosen(self):
        for name, function in FUNCTIONS.items():
            key, material = fresh("imported"), secrets.token_bytes(32)
            blob = self.wrapped(material, function)
            self.write(f"keys/{key}/import", ciphertext=blob, hash_function=name)
            self.assert_opens(key, self.encrypt(key))
        with self.refused(exceptions.InvalidRequest, text="unknown hash function"):
            self.write(f"keys/{fresh('key')}/import", ciphertext=blob, hash_function="MD5")

    def test_a_public_key_alone_verifies(self):
        private = private_key("ecdsa-p256")
        name = fresh("imported")
        pem = public_pem(private.public_key())
        self.write(f"keys/{name}/import", type="ecdsa-p256", public_key=pem)
        signature = encoded(private.sign(b"hello", ec.ECDSA(hashes.SHA256())))
        self.assertTrue(self.verify(name, signature=f"vault:v1:{signature}"))
        with self.refused(*AT_FAULT, text="private"):
            self.sign(name)
        # The private key can follow.
        self.write(f"keys/{name}/import_version", ciphertext=self.wrapped(pkcs8(private)))
        self.assertEqual(self.read(name)["latest_version"], 1)
        self.assertTrue(self.verify(name, signature=self.sign(name)))

    def test_versions_are_imported(self):
        first, second = secrets.token_bytes(32), secrets.token_bytes(32)
        name = self.imported("aes256-gcm96", first, exportable=True)
        self.write(f"keys/{name}/import_version", ciphertext=self.wrapped(second))
        keys = self.export(name, "encryption-key")
        self.assertEqual(keys, {"1": encoded(first), "2": encoded(second)})

    def test_rotation_must_have_been_allowed(self):
        name = self.imported("aes256-gcm96", secrets.token_bytes(32))
        with self.refused(*AT_FAULT, text="does not allow rotation"):
            self.call("rotate_key", name)
        name = self.imported("aes256-gcm96", secrets.token_bytes(32), allow_rotation=True)
        self.assertTrue(self.call("rotate_key", name))
        self.assertEqual(self.read(name)["latest_version"], 2)

    def test_what_does_not_fit_is_refused(self):
        blob = self.wrapped(secrets.token_bytes(32))
        mangled = decoded(blob)
        mangled = encoded(mangled[:-1] + bytes([mangled[-1] ^ 1]))
        curve, other = (public_pem(private_key(f"ecdsa-p{bits}").public_key()) for bits in (256, 384))
        for fields in (
            {"ciphertext": encoded(bytes(100))},
            {"ciphertext": encoded(bytes(600))},
            {"ciphertext": mangled},
            {"ciphertext": "!"},
            {"ciphertext": blob, "type": "aes128-gcm96"},
            {"ciphertext": blob, "type": "ed25519"},
            {"ciphertext": blob, "type": "kitty-cat-key"},
            {"ciphertext": blob, "derived": True, "convergent_encryption": True},
            {"ciphertext": blob, "auto_rotate_period": "1h"},
            {"public_key": "no PEM", "type": "ecdsa-p256"},
            {"public_key": other, "type": "ecdsa-p256"},
            {"public_key": curve},
        ):
            name = fresh("imported")
            with self.subTest(fields), self.refused(*AT_FAULT):
                self.write(f"keys/{name}/import", **fields)
            with self.refused(exceptions.InvalidPath):
                self.call("read_key", name)

    def test_nothing_is_imported_over_a_key(self):
        blob = self.wrapped(secrets.token_bytes(32))
        with self.refused(*AT_FAULT, text="cannot be used with an existing key"):
            self.write(f"keys/{self.key()}/import", ciphertext=blob)
        with self.refused(*AT_FAULT, text="imported key"):
            self.write(f"keys/{self.key()}/import_version", ciphertext=blob)
        with self.refused(*AT_FAULT, text="no key found with name"):
            self.write(f"keys/{fresh('key')}/import_version", ciphertext=blob)


class Sending(ImportTest):
    def test_a_key_is_sent_to_another_mount(self):
        name = self.key(exportable=True)
        self.rotate(name)
        sealed = self.encrypt(name)
        other = self.transit_mount()
        pem = self.root.read(f"{other}/wrapping_key")["data"]["public_key"]
        self.write("keys/there/import", type="rsa-4096", public_key=pem)
        keys = self.get(f"byok-export/there/{name}")["keys"]
        self.assertEqual(sorted(keys), ["1", "2"])
        fields = {"type": "aes256-gcm96", "ciphertext": keys["1"]}
        self.root.write_data(f"{other}/keys/{name}/import", data=fields)
        self.root.write_data(
            f"{other}/keys/{name}/import_version", data={"ciphertext": keys["2"]}
        )
        opened = self.root.secrets.transit.decrypt_data(name, sealed, mount_point=other)
        self.assertEqual(opened["data"]["plaintext"], HELLO)
        self.assertEqual(list(self.get(f"byok-export/there/{name}/latest")["keys"]), ["2"])

    def test_only_what_may_go_out_is_sent(self):
        to = self.key("rsa-2048")
        with self.refused(exceptions.InvalidRequest, text="not exportable"):
            self.get(f"byok-export/{to}/{self.key()}")
        name = self.key(exportable=True)
        with self.refused(*AT_FAULT, text="no such destination key"):
            self.get(f"byok-export/{fresh('key')}/{name}")
        with self.refused(*AT_FAULT, text="no such source key"):
            self.get(f"byok-export/{to}/{fresh('key')}")
        with self.refused(*AT_FAULT):
            self.get(f"byok-export/{self.key()}/{name}")


class Agreeing(TransitTest):
    def test_two_sides_come_to_the_same_key(self):
        for kind, curve in (("ecdsa-p256", ec.SECP256R1), ("ecdsa-p521", ec.SECP521R1)):
            base, name = self.key(kind), fresh("agreed")
            own = ec.generate_private_key(curve())
            self.write(
                f"derive-key/{name}",
                key_derivation_algorithm="ecdh",
                base_key_name=base,
                peer_public_key=public_pem(own.public_key()),
            )
            pem = self.read(base)["keys"]["1"]["public_key"]
            peer = serialization.load_pem_public_key(pem.encode())
            shared = HKDF(hashes.SHA256(), 32, None, None).derive(own.exchange(ec.ECDH(), peer))
            sealed = payload(self.encrypt(name))
            opened = AESGCM(shared).decrypt(sealed[:12], sealed[12:], None)
            self.assertEqual(opened, b"hello")

    def test_what_cannot_agree_is_refused(self):
        peer = public_pem(private_key("ecdsa-p256").public_key())
        fields = {"key_derivation_algorithm": "ecdh", "peer_public_key": peer}
        for base in (self.key(), self.key("ecdsa-p384"), self.key("ed25519"), fresh("key")):
            with self.refused(*AT_FAULT):
                self.write(f"derive-key/{fresh('agreed')}", base_key_name=base, **fields)


class Certificates(TransitTest):
    def name(self, text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def request(self, name):
        """A request for a certificate, signed by the key."""
        template = x509.CertificateSigningRequestBuilder().subject_name(self.name("example"))
        template = template.sign(private_key("ecdsa-p256"), hashes.SHA256())
        pem = template.public_bytes(serialization.Encoding.PEM).decode()
        answer = self.write(f"keys/{name}/csr", csr=pem)["data"]
        return x509.load_pem_x509_csr(answer["csr"].encode())

    def chain(self, public):
        """A certificate for this key, and the one of who signed it."""
        now = datetime.datetime.now(datetime.UTC)
        signer = private_key("ecdsa-p256")

        def certificate(subject, key, is_signer):
            builder = x509.CertificateBuilder(self.name("signer"), self.name(subject), key)
            builder = builder.serial_number(x509.random_serial_number())
            builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(1))
            basic = x509.BasicConstraints(is_signer, None)
            made = builder.add_extension(basic, True).sign(signer, hashes.SHA256())
            return made.public_bytes(serialization.Encoding.PEM).decode()

        return certificate("example", public, False) + certificate(
            "signer", signer.public_key(), True
        )

    def test_a_key_asks_for_a_certificate_and_keeps_it(self):
        for kind in ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "ed25519"):
            with self.subTest(kind):
                name = self.key(kind)
                request = self.request(name)
                self.assertTrue(request.is_signature_valid)
                self.assertEqual(request.subject, self.name("example"))
                chain = self.chain(request.public_key())
                self.write(f"keys/{name}/set-certificate", certificate_chain=chain)
                kept = self.read(name)["keys"]["1"]["certificate_chain"]
                self.assertEqual(kept.split(), chain.split())
                sent = self.get(f"export/certificate-chain/{name}")["keys"]["1"]
                self.assertEqual(sent.split(), chain.split())

    def test_a_certificate_of_another_key_is_refused(self):
        name = self.key("ecdsa-p256")
        chain = self.chain(private_key("ecdsa-p256").public_key())
        with self.refused(*AT_FAULT):
            self.write(f"keys/{name}/set-certificate", certificate_chain=chain)
        with self.refused(*AT_FAULT):
            self.get(f"export/certificate-chain/{name}")

    def test_a_key_that_does_not_sign_asks_for_none(self):
        template = x509.CertificateSigningRequestBuilder().subject_name(self.name("example"))
        template = template.sign(private_key("ecdsa-p256"), hashes.SHA256())
        pem = template.public_bytes(serialization.Encoding.PEM).decode()
        with self.refused(exceptions.InvalidRequest, text="does not support signing"):
            self.write(f"keys/{self.key()}/csr", csr=pem)
        with self.refused(exceptions.InvalidRequest):
            self.write(f"keys/{self.key('ecdsa-p256')}/csr", csr="no PEM")


class SealringsOwn(ImportTest):
    """What no other server of the protocol does."""

    def test_sha_224_does_not_wrap(self):
        blob = self.wrapped(secrets.token_bytes(32), hashes.SHA224())
        with self.refused(exceptions.InvalidRequest):
            self.write(f"keys/{fresh('key')}/import", ciphertext=blob, hash_function="SHA224")

    def test_its_own_type_is_backed_up_and_restored(self):
        name, copy = fresh("key"), fresh("copy")
        self.write(
            f"keys/{name}", type="aes256-gcm-siv", exportable=True, allow_plaintext_backup=True
        )
        sealed = self.encrypt(name)
        backup = self.call("backup_key", name)["data"]["backup"]
        self.call("restore_key", backup, copy)
        self.assert_opens(copy, sealed)
