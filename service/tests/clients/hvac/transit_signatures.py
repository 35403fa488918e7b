"""Signatures as hvac makes and checks them, and as a library that knows nothing of the protocol does."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, utils

from hvac import exceptions

from sealring import AT_FAULT, fresh
from transit import CURVES, HELLO, RSA, SYMMETRIC, TOO_OLD, TransitTest, decoded, encoded, payload

OTHER = encoded("other")
SIGNING = CURVES + RSA + ("ed25519",)
HASHES = {
    "sha2-224": hashes.SHA224(),
    "sha2-256": hashes.SHA256(),
    "sha2-384": hashes.SHA384(),
    "sha2-512": hashes.SHA512(),
}
# Of hvac's names, those that every type of key has.
COMMON = ("sha2-256", "sha2-384", "sha2-512")
PADDINGS = {
    "pss": lambda function: padding.PSS(padding.MGF1(function), padding.PSS.AUTO),
    "pkcs1v15": lambda function: padding.PKCS1v15(),
}


class SignatureTest(TransitTest):
    def public(self, name, version="1"):
        """The public key, as the world outside knows it."""
        entry = self.read(name)["keys"][version]
        if entry["name"] == "ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(decoded(entry["public_key"]))
        return serialization.load_pem_public_key(entry["public_key"].encode())


class Signing(SignatureTest):
    def test_every_type_that_signs_does(self):
        for kind in SIGNING:
            with self.subTest(kind):
                name = self.key(kind)
                signature = self.sign(name)
                self.assertTrue(signature.startswith("vault:v1:"))
                self.assertTrue(self.verify(name, signature=signature))
                self.assertFalse(self.verify(name, OTHER, signature=signature))

    def test_others_believe_what_a_curve_signs(self):
        for kind in CURVES:
            name = self.key(kind)
            public = self.public(name)
            for algorithm, function in HASHES.items():
                signature = payload(self.sign(name, hash_algorithm=algorithm))
                public.verify(signature, b"hello", ec.ECDSA(function))
                with self.assertRaises(InvalidSignature):
                    public.verify(signature, b"other", ec.ECDSA(function))

    def test_others_believe_what_ed25519_signs(self):
        name = self.key("ed25519")
        signature = payload(self.sign(name))
        self.public(name).verify(signature, b"hello")
        self.assertEqual(payload(self.sign(name)), signature)

    def test_others_believe_what_rsa_signs(self):
        for kind in RSA:
            name = self.key(kind)
            public = self.public(name)
            for algorithm in COMMON:
                for scheme, padded in PADDINGS.items():
                    options = {"hash_algorithm": algorithm, "signature_algorithm": scheme}
                    signature = self.sign(name, **options)
                    function = HASHES[algorithm]
                    public.verify(payload(signature), b"hello", padded(function), function)
                    self.assertTrue(self.verify(name, signature=signature, **options))

    def test_pss_is_what_rsa_does_unless_told_otherwise(self):
        name = self.key("rsa-2048")
        signature = self.sign(name)
        self.assertTrue(self.verify(name, signature=signature, signature_algorithm="pss"))
        self.assertFalse(self.verify(name, signature=signature, signature_algorithm="pkcs1v15"))

    def test_what_others_sign_is_believed(self):
        name = self.key("ecdsa-p256", exportable=True)
        private = self.export(name, "signing-key")["1"].encode()
        private = serialization.load_pem_private_key(private, None)
        signature = private.sign(b"hello", ec.ECDSA(hashes.SHA256()))
        self.assertTrue(self.verify(name, signature=f"vault:v1:{encoded(signature)}"))
        name = self.key("rsa-2048", exportable=True)
        private = self.export(name, "signing-key")["1"].encode()
        private = serialization.load_pem_private_key(private, None)
        function = hashes.SHA256()
        pss = padding.PSS(padding.MGF1(function), padding.PSS.DIGEST_LENGTH)
        signature = encoded(private.sign(b"hello", pss, function))
        self.assertTrue(self.verify(name, signature=f"vault:v1:{signature}", salt_length="hash"))
        self.assertTrue(self.verify(name, signature=f"vault:v1:{signature}"))

    def test_a_version_can_be_chosen(self):
        name = self.key("ed25519")
        self.rotate(name)
        for version in (1, 2):
            signature = self.sign(name, key_version=version)
            self.assertTrue(signature.startswith(f"vault:v{version}:"))
            self.assertTrue(self.verify(name, signature=signature))
            self.public(name, str(version)).verify(payload(signature), b"hello")
        self.assertTrue(self.sign(name).startswith("vault:v2:"))
        for version, text in ((-1, "negative"), (3, "higher than the latest key version")):
            with self.refused(*AT_FAULT, text=text):
                self.sign(name, key_version=version)
        self.config(name, min_encryption_version=2)
        with self.refused(*AT_FAULT, text="less than the minimum encryption key version"):
            self.sign(name, key_version=1)

    def test_old_signatures_are_believed_until_they_are_too_old(self):
        name = self.key("ecdsa-p256")
        old = self.sign(name)
        self.rotate(name)
        self.assertTrue(self.verify(name, signature=old))
        self.config(name, min_decryption_version=2)
        with self.refused(exceptions.InvalidRequest, text=TOO_OLD):
            self.verify(name, signature=old)


class Options(SignatureTest):
    def test_options_of_rsa_do_not_trouble_ed25519(self):
        name = self.key("ed25519")
        for salt in (None, "auto", "hash", "-1", "0", "1"):
            for scheme in ("pss", "pkcs1v15"):
                options = {"salt_length": salt, "signature_algorithm": scheme}
                signature = self.sign(name, hash_algorithm="sha2-256", **options)
                self.assertTrue(self.verify(name, signature=signature, **options))

    def test_a_salt_can_be_as_long_as_the_hash(self):
        name = self.key("rsa-2048")
        public = self.public(name)
        exact = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        for salt in ("hash", "-1", "32"):
            signature = self.sign(name, salt_length=salt)
            public.verify(payload(signature), b"hello", exact, hashes.SHA256())
            for checked in ("hash", "-1", "32", "auto"):
                self.assertTrue(self.verify(name, signature=signature, salt_length=checked))

    def test_hashes_can_be_made_beforehand(self):
        for kind in CURVES + ("rsa-2048",):
            name = self.key(kind)
            for algorithm in COMMON:
                digest = encoded(hashlib.new(f"sha{algorithm[5:]}", b"hello").digest())
                options = {"hash_algorithm": algorithm}
                signature = self.sign(name, digest, prehashed=True, **options)
                self.assertTrue(self.verify(name, signature=signature, **options))
                self.assertTrue(
                    self.verify(name, digest, signature=signature, prehashed=True, **options)
                )

    def test_a_signature_can_be_one_for_a_web_token(self):
        for kind, size in (("ecdsa-p256", 32), ("ecdsa-p384", 48), ("ecdsa-p521", 66)):
            name = self.key(kind)
            signature = self.sign(name, marshaling_algorithm="jws")
            text = signature.split(":")[2]
            self.assertNotRegex(text, "[+/=]")
            halves = decoded(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
            self.assertEqual(len(halves), 2 * size)
            r, s = (int.from_bytes(half) for half in (halves[:size], halves[size:]))
            der = utils.encode_dss_signature(r, s)
            self.public(name).verify(der, b"hello", ec.ECDSA(hashes.SHA256()))
            self.assertTrue(self.verify(name, signature=signature, marshaling_algorithm="jws"))

    def test_hvac_refuses_what_it_does_not_know(self):
        name = self.key("ed25519")
        signature = self.sign(name)
        for wrong in (
            {"hash_algorithm": "meow2-256"},
            {"signature_algorithm": "pre-shared kitty cats"},
            {"marshaling_algorithm": "kitty"},
            {"salt_length": "foobar"},
            {"salt_length": "-2"},
        ):
            with self.assertRaises(exceptions.ParamValidationError):
                self.sign(name, **wrong)
            with self.assertRaises(exceptions.ParamValidationError):
                self.verify(name, signature=signature, **wrong)
        for both in ({}, {"signature": signature, "hmac": signature}):
            with self.assertRaises(exceptions.ParamValidationError):
                self.verify(name, **both)
        with self.assertRaises(exceptions.ParamValidationError):
            self.call("sign_data", name)

    def test_the_service_refuses_it_too(self):
        name = self.key("rsa-2048")
        for wrong in (
            {"hash_algorithm": "meow2-256"},
            {"signature_algorithm": "pre-shared kitty cats"},
            {"marshaling_algorithm": "kitty"},
            {"salt_length": "foobar"},
            {"salt_length": "-2"},
            {"salt_length": "9999"},
        ):
            with self.subTest(wrong), self.refused(*AT_FAULT):
                self.write(f"sign/{name}", input=HELLO, **wrong)
        with self.refused(exceptions.InvalidRequest, text="neither a 'signature' nor an 'hmac'"):
            self.write(f"verify/{name}", input=HELLO)

    def test_the_hash_can_be_in_the_path(self):
        name = self.key("ecdsa-p384")
        signature = self.write(f"sign/{name}/sha2-384", input=HELLO)["data"]["signature"]
        self.public(name).verify(payload(signature), b"hello", ec.ECDSA(hashes.SHA384()))
        answer = self.write(f"verify/{name}/sha2-384", input=HELLO, signature=signature)
        self.assertTrue(answer["data"]["valid"])


class Refusals(SignatureTest):
    def test_a_type_that_does_not_sign_refuses(self):
        for kind in SYMMETRIC:
            name = self.key(kind)
            with self.refused(exceptions.InvalidRequest, text="does not support signing"):
                self.sign(name)
            with self.refused(exceptions.InvalidRequest, text="does not support verification"):
                self.verify(name, signature="vault:v1:AAAA")

    def test_an_unknown_key_signs_nothing(self):
        with self.refused(exceptions.InvalidRequest, text="signing key not found"):
            self.sign(fresh("key"))
        with self.refused(exceptions.InvalidRequest, text="verification key not found"):
            self.verify(fresh("key"), signature="vault:v1:AAAA")

    def test_what_is_no_signature_is_refused(self):
        name = self.key("ecdsa-p256")
        for wrong, text in (
            ("abc", "no prefix"),
            ("vault:v1", "wrong number of fields"),
            ("vault:vx:AAAA", "version number could not be decoded"),
            ("vault:v2:AAAA", "version is too new"),
            ("vault:v1:!", "invalid base64 signature value"),
            ("vault:v1:AAAA", "supplied signature is invalid"),
        ):
            with self.subTest(wrong), self.refused(exceptions.InvalidRequest, text=text):
                self.verify(name, signature=wrong)

    def test_a_changed_bit_is_noticed(self):
        for kind in ("ed25519", "rsa-2048"):
            name = self.key(kind)
            signature = bytearray(payload(self.sign(name)))
            signature[-9] ^= 1
            self.assertFalse(self.verify(name, signature=f"vault:v1:{encoded(bytes(signature))}"))

    def test_another_key_s_signature_is_not_believed(self):
        for kind in ("ecdsa-p256", "ed25519", "rsa-2048"):
            signature = self.sign(self.key(kind))
            self.assertFalse(self.verify(self.key(kind), signature=signature))

    def test_what_is_not_base64_is_refused(self):
        with self.refused(exceptions.InvalidRequest, text="unable to decode input as base64"):
            self.sign(self.key("ed25519"), "!")


class Derived(SignatureTest):
    def test_each_context_signs_with_a_key_of_its_own(self):
        name = self.key("ed25519", derived=True)
        one, two = encoded("one"), encoded("two")
        data = self.call("sign_data", name, HELLO, context=one)["data"]
        signature = data["signature"]
        public = ed25519.Ed25519PublicKey.from_public_bytes(decoded(data["public_key"]))
        public.verify(payload(signature), b"hello")
        self.assertTrue(self.verify(name, signature=signature, context=one))
        self.assertFalse(self.verify(name, signature=signature, context=two))
        with self.refused(*AT_FAULT, text="missing 'context'"):
            self.sign(name)
        # hvac has no way to put a query on a read but this.
        keys = self.get(f"keys/{name}?context={one}")["keys"]
        self.assertEqual(keys["1"]["public_key"], data["public_key"])
        self.assertEqual(self.read(name)["keys"]["1"]["public_key"], "")


class Batches(SignatureTest):
    def test_many_are_signed_and_verified_in_order(self):
        for kind in ("ed25519", "ecdsa-p256", "rsa-2048"):
            name = self.key(kind)
            items = [{"input": encoded(str(at)), "reference": str(at)} for at in range(5)]
            answer = self.call("sign_data", name, batch_input=items)
            signed = answer["data"]["batch_results"]
            self.assertEqual([one["reference"] for one in signed], list("01234"))
            for item, one in zip(items, signed):
                item["signature"] = one["signature"]
            items[3]["input"] = OTHER
            answer = self.write(f"verify/{name}", batch_input=items)
            valid = [one["valid"] for one in answer["data"]["batch_results"]]
            self.assertEqual(valid, [True, True, True, False, True])

    def test_one_bad_item_is_told_and_the_others_are_done(self):
        items = [{"input": HELLO}, {"input": "!"}, {}]
        answer = self.call("sign_data", self.key("ed25519"), batch_input=items)
        signed = answer["data"]["batch_results"]
        self.assertEqual([("error" in one) for one in signed], [False, True, True])

    def test_signatures_and_hmacs_are_not_mixed(self):
        name = self.key("ed25519")
        one = {"input": HELLO, "signature": self.sign(name)}
        two = {"input": HELLO, "hmac": self.hmac(name)}
        for items in ([one, two], [one, {"input": HELLO}], [{"input": HELLO}]):
            with self.refused(exceptions.InvalidRequest):
                self.write(f"verify/{name}", batch_input=items)

    def test_salts_of_any_length_are_used(self):
        name = self.key("rsa-2048")
        signature = self.sign(name, salt_length="33")
        for salt_length, valid in (("33", True), ("34", False)):
            answer = self.write(
                f"verify/{name}", input=HELLO, signature=signature, salt_length=salt_length
            )
            self.assertEqual(answer["data"]["valid"], valid)

    def test_hvac_takes_one_text_or_many(self):
        with self.assertRaises(exceptions.ParamValidationError):
            self.call("sign_data", "any", HELLO, batch_input=[{"input": HELLO}])


class SealringsOwn(SignatureTest):
    """What no other server of the protocol does."""

    def test_ml_dsa_signs_for_a_library_that_knows_only_fips_204(self):
        for parameters, known in (
            ("44", mldsa.MLDSA44PublicKey),
            ("65", mldsa.MLDSA65PublicKey),
            ("87", mldsa.MLDSA87PublicKey),
        ):
            name = fresh("key")
            self.write(f"keys/{name}", type="ml-dsa", parameter_set=parameters)
            signature = self.sign(name)
            public = self.public(name)
            self.assertIsInstance(public, known)
            public.verify(payload(signature), b"hello")
            self.assertTrue(self.verify(name, signature=signature))
            self.assertFalse(self.verify(name, OTHER, signature=signature))

    def test_a_signature_and_an_hmac_are_not_verified_at_once(self):
        # OpenBao means to refuse this, and overlooks the HMAC.
        name = self.key("ed25519")
        fields = {"input": HELLO, "signature": self.sign(name), "hmac": self.hmac(name)}
        with self.refused(exceptions.InvalidRequest, text="provide one of"):
            self.write(f"verify/{name}", **fields)

    def test_rsa_has_no_short_hash(self):
        name = self.key("rsa-2048")
        with self.refused(exceptions.InvalidRequest):
            self.sign(name, hash_algorithm="sha2-224")
        for algorithm in ("sha3-256", "none"):
            with self.refused(exceptions.InvalidRequest):
                self.write(f"sign/{name}/{algorithm}", input=HELLO)
