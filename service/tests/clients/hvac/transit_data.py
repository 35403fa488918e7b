"""Data as hvac encrypts, decrypts, rewraps, hashes and authenticates it, with data keys and random bytes."""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from hvac import exceptions

from sealring import AT_FAULT, fresh
from transit import (
    CURVES,
    HELLO,
    RSA,
    SYMMETRIC,
    TOO_OLD,
    UNKNOWN_TO_HVAC,
    TransitTest,
    decoded,
    encoded,
    payload,
)

ONE, TWO = encoded("one"), encoded("two")
UNAUTHENTIC = "message authentication failed"

# The names that hvac knows, and the functions of Python's library that they stand for.
HASHES = {f"sha2-{bits}": f"sha{bits}" for bits in (224, 256, 384, 512)}
MORE_HASHES = {f"sha3-{bits}": f"sha3_{bits}" for bits in (224, 256, 384, 512)}
# What only an HMAC may still use.
OLD_HASHES = {"sha1": "sha1"}


class Encrypting(TransitTest):
    def test_every_type_that_encrypts_does(self):
        for kind in SYMMETRIC + UNKNOWN_TO_HVAC + RSA:
            with self.subTest(kind):
                name = self.key(kind)
                sealed = self.encrypt(name)
                self.assertTrue(sealed.startswith("vault:v1:"))
                self.assert_opens(name, sealed)
                self.assertNotEqual(self.encrypt(name), sealed)

    def test_ciphertexts_are_in_the_protocol_s_format(self):
        for kind, cipher in (("aes256-gcm96", AESGCM), ("chacha20-poly1305", ChaCha20Poly1305)):
            name = self.key(kind, exportable=True)
            key = cipher(decoded(self.export(name, "encryption-key")["1"]))
            sealed = payload(self.encrypt(name, associated_data=ONE))
            self.assertEqual(key.decrypt(sealed[:12], sealed[12:], b"one"), b"hello")
            nonce = bytes(range(12))
            own = encoded(nonce + key.encrypt(nonce, b"hello", None))
            self.assert_opens(name, f"vault:v1:{own}")

    def test_the_empty_text_is_a_text(self):
        name = self.key()
        sealed = self.encrypt(name, "")
        self.assertEqual(len(payload(sealed)), 28)
        self.assert_opens(name, sealed, "")

    def test_a_megabyte_comes_back(self):
        name = self.key()
        plaintext = encoded(bytes(range(256)) * 4096)
        self.assert_opens(name, self.encrypt(name, plaintext), plaintext)

    def test_something_must_be_given(self):
        with self.assertRaises(ValueError):
            self.call("encrypt_data", "any")
        with self.assertRaises(ValueError):
            self.call("decrypt_data", "any")
        with self.refused(exceptions.InvalidRequest, text="missing plaintext to encrypt"):
            self.write(f"encrypt/{self.key()}")
        with self.refused(exceptions.InvalidRequest, text="missing ciphertext to decrypt"):
            self.write(f"decrypt/{self.key()}")

    def test_what_is_not_base64_is_refused(self):
        name = self.key()
        for wrong, text in (("YWJ", "byte 0"), ("ab-d", "byte 2"), ("YWJjZA==x", "byte 8")):
            text = f"illegal base64 data at input {text}"
            with self.refused(exceptions.InvalidRequest, text=text):
                self.encrypt(name, wrong)

    def test_a_version_can_be_chosen(self):
        name = self.key()
        self.rotate(name, 2)
        for version in (1, 2, 3):
            sealed = self.encrypt(name, key_version=version)
            self.assertTrue(sealed.startswith(f"vault:v{version}:"))
            self.assert_opens(name, sealed)
        self.assertTrue(self.encrypt(name, key_version="0").startswith("vault:v3:"))
        self.config(name, min_encryption_version=2)
        for version, text in (
            (-1, "requested version for encryption is negative"),
            (4, "requested version for encryption is higher than the latest key version"),
            (1, "requested version for encryption is less than the minimum encryption key version"),
        ):
            with self.refused(exceptions.InvalidRequest, text=text):
                self.encrypt(name, key_version=version)

    def test_an_unknown_key_does_nothing(self):
        self.write("config/keys", disable_upsert=True)
        name = fresh("key")
        for use in (
            lambda: self.encrypt(name),
            lambda: self.decrypt(name, "vault:v1:AAAA"),
            lambda: self.call("rewrap_data", name, "vault:v1:AAAA"),
            lambda: self.call("generate_data_key", name, "plaintext"),
            lambda: self.hmac(name),
        ):
            with self.refused(exceptions.InvalidRequest, text="encryption key not found"):
                use()

    def test_a_type_that_does_not_encrypt_refuses(self):
        for kind in CURVES + ("ed25519",):
            name = self.key(kind)
            with self.refused(exceptions.InvalidRequest, text="encryption not supported"):
                self.encrypt(name)
            with self.refused(exceptions.InvalidRequest, text="decryption not supported"):
                self.decrypt(name, "vault:v1:AAAA")

    def test_a_text_too_long_for_rsa_is_refused(self):
        name = self.key("rsa-2048")
        self.encrypt(name, encoded(bytes(190)))
        with self.refused(*AT_FAULT):
            self.encrypt(name, encoded(bytes(191)))


class Decrypting(TransitTest):
    def test_what_is_no_ciphertext_is_refused(self):
        name = self.key()
        for wrong, text in (
            ("", "missing ciphertext to decrypt"),
            ("abc", "no prefix"),
            ("vault:1:AAAA", "no prefix"),
            ("vault:v1", "wrong number of fields"),
            ("vault:vx:AAAA", "version number could not be decoded"),
            ("vault:v2:AAAA", "version is too new"),
            ("vault:v1:!", "could not decode base64"),
            ("vault:v1:AAAA", "invalid ciphertext length"),
            ("vault:v1:" + encoded(bytes(28)), UNAUTHENTIC),
        ):
            with self.subTest(wrong), self.refused(exceptions.InvalidRequest, text=text):
                self.decrypt(name, wrong)

    def test_a_changed_bit_is_noticed(self):
        name = self.key()
        sealed = payload(self.encrypt(name))
        for place in (0, 12, len(sealed) - 1):
            changed = bytearray(sealed)
            changed[place] ^= 1
            with self.refused(exceptions.InvalidRequest, text=UNAUTHENTIC):
                self.decrypt(name, f"vault:v1:{encoded(bytes(changed))}")

    def test_another_key_s_ciphertext_is_not_opened(self):
        sealed = self.encrypt(self.key())
        with self.refused(exceptions.InvalidRequest, text=UNAUTHENTIC):
            self.decrypt(self.key(), sealed)
        sealed = self.encrypt(self.key("rsa-2048"))
        with self.refused(*AT_FAULT):
            self.decrypt(self.key("rsa-2048"), sealed)

    def test_old_versions_are_opened_until_they_are_too_old(self):
        name = self.key()
        old = self.encrypt(name)
        self.rotate(name)
        self.assert_opens(name, old)
        self.config(name, min_decryption_version=2)
        with self.refused(exceptions.InvalidRequest, text=TOO_OLD):
            self.decrypt(name, old)


class Contexts(TransitTest):
    def test_a_derived_key_wants_the_same_context(self):
        for kind in SYMMETRIC + UNKNOWN_TO_HVAC:
            name = self.key(kind, derived=True)
            sealed = self.encrypt(name, context=ONE)
            self.assertNotEqual(self.encrypt(name, context=ONE), sealed)
            self.assert_opens(name, sealed, context=ONE)
            with self.refused(exceptions.InvalidRequest, text=UNAUTHENTIC):
                self.decrypt(name, sealed, context=TWO)
            with self.refused(exceptions.InvalidRequest, text="missing 'context'"):
                self.decrypt(name, sealed)
            with self.refused(exceptions.InvalidRequest, text="missing 'context'"):
                self.encrypt(name)

    def test_convergent_encryption_gives_the_same_twice(self):
        for kind in SYMMETRIC + UNKNOWN_TO_HVAC:
            name = self.key(kind, derived=True, convergent_encryption=True)
            sealed = self.encrypt(name, context=ONE)
            self.assertEqual(self.encrypt(name, context=ONE), sealed)
            self.assertNotEqual(self.encrypt(name, encoded("other"), context=ONE), sealed)
            self.assertNotEqual(self.encrypt(name, context=TWO), sealed)
            self.assert_opens(name, sealed, context=ONE)

    def test_a_context_that_is_not_base64_is_refused(self):
        with self.refused(exceptions.InvalidRequest, text="illegal base64"):
            self.encrypt(self.key(derived=True), context="!")

    def test_associated_data_must_be_the_same(self):
        name = self.key()
        sealed = self.encrypt(name, associated_data=ONE)
        self.assert_opens(name, sealed, associated_data=ONE)
        for wrong in ({"associated_data": TWO}, {}):
            with self.refused(exceptions.InvalidRequest, text=UNAUTHENTIC):
                self.decrypt(name, sealed, **wrong)

    def test_associated_data_is_refused_where_nothing_authenticates_it(self):
        with self.refused(exceptions.InvalidRequest, text="non-AEAD cipher suite"):
            self.encrypt(self.key("rsa-2048"), associated_data=ONE)


class Batches(TransitTest):
    def results(self, verb, name, items, *args):
        return self.call(verb, name, *args, batch_input=items)["data"]["batch_results"]

    def test_many_are_encrypted_rewrapped_and_decrypted_in_order(self):
        name = self.key()
        plain = [
            {"plaintext": encoded(str(number)), "reference": str(number)} for number in range(20)
        ]
        sealed = self.results("encrypt_data", name, plain)
        self.assertEqual([one["reference"] for one in sealed], [one["reference"] for one in plain])
        self.assertEqual({one["key_version"] for one in sealed}, {1})
        self.rotate(name)
        items = [{"ciphertext": one["ciphertext"]} for one in sealed]
        renewed = self.results("rewrap_data", name, items, None)
        self.assertTrue(all(one["ciphertext"].startswith("vault:v2:") for one in renewed))
        for batch in (sealed, renewed):
            items = [{"ciphertext": one["ciphertext"]} for one in batch]
            opened = self.results("decrypt_data", name, items)
            self.assertEqual(
                [one["plaintext"] for one in opened], [one["plaintext"] for one in plain]
            )

    def test_each_has_a_context_of_its_own(self):
        name = self.key(derived=True)
        plain = [{"plaintext": HELLO, "context": context} for context in (ONE, TWO)]
        sealed = self.results("encrypt_data", name, plain)
        items = [
            {"ciphertext": one["ciphertext"], "context": context}
            for one, context in zip(sealed, (ONE, TWO))
        ]
        opened = self.results("decrypt_data", name, items)
        self.assertEqual([one["plaintext"] for one in opened], [HELLO, HELLO])

    def test_one_bad_item_is_told_and_the_others_are_done(self):
        name = self.key()
        items = [{"plaintext": HELLO}, {"plaintext": "!"}, {"plaintext": HELLO}]
        with self.assertRaises(exceptions.InvalidRequest) as caught:
            self.call("encrypt_data", name, batch_input=items)
        results = caught.exception.json["data"]["batch_results"]
        self.assertEqual([("error" in one) for one in results], [False, True, False])
        self.assertIn("illegal base64", results[1]["error"])
        self.assert_opens(name, results[2]["ciphertext"])

    def test_the_status_of_a_batch_in_part_failed_can_be_chosen(self):
        items = [{"plaintext": HELLO}, {"plaintext": "!"}]
        answer = self.write(
            f"encrypt/{self.key()}", batch_input=items, partial_failure_response_code=202
        )
        # Not 200, so that hvac leaves the answer as it is.
        results = answer.json()["data"]["batch_results"]
        self.assertEqual((answer.status_code, len(results)), (202, 2))

    def test_nothing_is_no_batch(self):
        with self.refused(exceptions.InvalidRequest, text="missing batch input to process"):
            self.call("encrypt_data", self.key(), batch_input=[])

    def test_an_item_without_a_text_refuses_the_whole(self):
        with self.refused(*AT_FAULT, text="missing plaintext to encrypt"):
            self.call("encrypt_data", self.key(), batch_input=[{"plaintext": HELLO}, {}])


class Rewrapping(TransitTest):
    def rewrap(self, name, sealed, **more):
        return self.call("rewrap_data", name, sealed, **more)["data"]["ciphertext"]

    def test_a_ciphertext_is_brought_to_the_newest_version(self):
        for kind in SYMMETRIC + ("rsa-2048",):
            name = self.key(kind)
            old = self.encrypt(name)
            self.rotate(name)
            new = self.rewrap(name, old)
            self.assertTrue(new.startswith("vault:v2:"))
            self.assert_opens(name, new)
            self.assertNotEqual(self.rewrap(name, new), new)

    def test_or_to_another_one(self):
        name = self.key()
        self.rotate(name, 2)
        sealed = self.rewrap(name, self.encrypt(name), key_version=2)
        self.assertTrue(sealed.startswith("vault:v2:"))
        self.assert_opens(name, sealed)

    def test_the_context_stays(self):
        name = self.key(derived=True)
        sealed = self.encrypt(name, context=ONE)
        self.assert_opens(name, self.rewrap(name, sealed, context=ONE), context=ONE)
        with self.refused(exceptions.InvalidRequest, text=UNAUTHENTIC):
            self.rewrap(name, sealed, context=TWO)


class DataKeys(TransitTest):
    def test_data_keys_come_in_three_sizes(self):
        name = self.key()
        for bits in (128, 256, 512):
            data = self.call("generate_data_key", name, "plaintext", bits=bits)["data"]
            self.assertEqual(len(decoded(data["plaintext"])), bits // 8)
            self.assert_opens(name, data["ciphertext"], data["plaintext"])
        data = self.call("generate_data_key", name, "plaintext")["data"]
        self.assertEqual(len(decoded(data["plaintext"])), 32)

    def test_a_wrapped_one_comes_without_its_text(self):
        name = self.key()
        data = self.call("generate_data_key", name, "wrapped")["data"]
        self.assertNotIn("plaintext", data)
        self.assertEqual(len(decoded(self.decrypt(name, data["ciphertext"]))), 32)

    def test_they_are_bound_to_a_context(self):
        name = self.key(derived=True)
        data = self.call("generate_data_key", name, "plaintext", context=ONE)["data"]
        self.assert_opens(name, data["ciphertext"], data["plaintext"], context=ONE)

    def test_other_kinds_and_sizes_are_refused(self):
        name = self.key()
        with self.assertRaises(exceptions.ParamValidationError):
            self.call("generate_data_key", name, "kitty-cat-key")
        with self.assertRaises(exceptions.ParamValidationError):
            self.call("generate_data_key", name, "plaintext", bits=300)
        with self.refused(exceptions.InvalidRequest, text="invalid bit length"):
            self.write(f"datakey/plaintext/{name}", bits=300)
        with self.refused(exceptions.InvalidRequest, text="Invalid path"):
            self.write(f"datakey/kitty/{name}")
        with self.refused(exceptions.InvalidRequest, text="encryption not supported"):
            self.call("generate_data_key", self.key("ed25519"), "plaintext")


class RandomBytes(TransitTest):
    def random(self, *args, **more):
        return self.call("generate_random_bytes", *args, **more)["data"]["random_bytes"]

    def test_as_many_come_as_are_asked_for(self):
        self.assertEqual(len(decoded(self.random())), 32)
        for size in (1, 32, 1000, 131072):
            self.assertEqual(len(decoded(self.random(size))), size)
        self.assertNotEqual(self.random(32), self.random(32))

    def test_in_hexadecimal_too(self):
        self.assertEqual(len(bytes.fromhex(self.random(20, output_format="hex"))), 20)
        with self.refused(exceptions.InvalidRequest, text="unsupported encoding format"):
            self.random(20, output_format="kitty64")

    def test_size_and_source_can_be_in_the_path(self):
        for path in ("random/20", "random/platform/20"):
            data = self.write(path)["data"]
            self.assertEqual(len(decoded(data["random_bytes"])), 20)

    def test_none_and_too_many_are_refused(self):
        with self.refused(exceptions.InvalidRequest, text="cannot be less than 1"):
            self.random(0)
        with self.refused(exceptions.InvalidRequest, text="should be less than 131072"):
            self.random(131073)


class Hashes(TransitTest):
    def hash(self, *args, **more):
        return self.call("hash_data", *args, **more)["data"]["sum"]

    def test_hashes_are_what_they_are_everywhere(self):
        self.assertEqual(self.hash(HELLO), hashlib.sha256(b"hello").hexdigest())
        for name, function in HASHES.items():
            expected = hashlib.new(function, b"hello").digest()
            self.assertEqual(self.hash(HELLO, algorithm=name), expected.hex())
            sum64 = self.hash(HELLO, algorithm=name, output_format="base64")
            self.assertEqual(decoded(sum64), expected)
        for name, function in MORE_HASHES.items():
            data = self.write(f"hash/{name}", input=HELLO)["data"]
            self.assertEqual(data["sum"], hashlib.new(function, b"hello").hexdigest())

    def test_unknown_names_are_refused(self):
        with self.assertRaises(exceptions.ParamValidationError):
            self.hash(HELLO, algorithm="meow2-256")
        with self.assertRaises(exceptions.ParamValidationError):
            self.hash(HELLO, output_format="kitty64")
        for fields in ({"algorithm": "meow2-256"}, {"algorithm": "sha1"}, {"format": "kitty64"}):
            with self.refused(exceptions.InvalidRequest, text="unsupported"):
                self.write("hash", input=HELLO, **fields)

    def test_something_must_be_given(self):
        with self.refused(exceptions.InvalidRequest, text="input missing"):
            self.write("hash")
        with self.refused(exceptions.InvalidRequest, text="unable to decode input as base64"):
            self.hash("!")


class Hmacs(TransitTest):
    def test_every_type_authenticates_with_every_hash(self):
        for kind in SYMMETRIC + UNKNOWN_TO_HVAC + CURVES + ("rsa-2048", "ed25519"):
            name = self.key(kind, exportable=True)
            key = decoded(self.export(name, "hmac-key")["1"])
            for algorithm, function in HASHES.items():
                expected = hmac.digest(key, b"hello", function)
                self.assertEqual(payload(self.hmac(name, algorithm=algorithm)), expected)
            for algorithm, function in (MORE_HASHES | OLD_HASHES).items():
                data = self.write(f"hmac/{name}/{algorithm}", input=HELLO)["data"]
                self.assertEqual(payload(data["hmac"]), hmac.digest(key, b"hello", function))

    def test_a_key_for_hmac_authenticates_with_its_own_bytes(self):
        name = self.key("hmac", key_size=64, exportable=True)
        key = decoded(self.export(name, "hmac-key")["1"])
        self.assertEqual(len(key), 64)
        self.assertEqual(payload(self.hmac(name)), hmac.digest(key, b"hello", "sha256"))
        with self.refused(exceptions.InvalidRequest, text="encryption not supported"):
            self.encrypt(name)

    def test_they_are_verified(self):
        name = self.key()
        for algorithm in HASHES:
            made = self.hmac(name, algorithm=algorithm)
            self.assertTrue(self.verify(name, hmac=made, hash_algorithm=algorithm))
            other = encoded("other")
            self.assertFalse(self.verify(name, other, hmac=made, hash_algorithm=algorithm))

    def test_what_is_no_hmac_is_refused(self):
        name = self.key()
        for wrong, text in (
            ("abc", "no prefix"),
            ("vault:v1", "wrong number of fields"),
            ("vault:vx:AAAA", "version number could not be decoded"),
            ("vault:v2:AAAA", "version is too new"),
            ("vault:v1:!", "unable to decode verification HMAC as base64"),
        ):
            with self.subTest(wrong), self.refused(exceptions.InvalidRequest, text=text):
                self.verify(name, hmac=wrong)

    def test_a_version_can_be_chosen(self):
        name = self.key()
        first = self.hmac(name)
        self.rotate(name)
        self.assertTrue(self.hmac(name).startswith("vault:v2:"))
        self.assertEqual(self.hmac(name, key_version=1), first)
        self.assertTrue(self.verify(name, hmac=first))
        with self.refused(exceptions.InvalidRequest, text="latest key version is 2"):
            self.hmac(name, key_version=3)
        self.config(name, min_decryption_version=2)
        with self.refused(exceptions.InvalidRequest, text="version is too old"):
            self.verify(name, hmac=first)

    def test_unknown_hashes_are_refused(self):
        with self.assertRaises(exceptions.ParamValidationError):
            self.hmac(self.key(), algorithm="meow2-256")
        with self.refused(exceptions.InvalidRequest, text="unsupported algorithm"):
            self.write(f"hmac/{self.key()}", input=HELLO, algorithm="meow2-256")

    def test_batches(self):
        items = [{"input": HELLO, "reference": "a"}, {"input": "!"}, {}]
        name = self.key()
        results = self.write(f"hmac/{name}", batch_input=items)["data"]["batch_results"]
        self.assertEqual([one.get("hmac", "") for one in results], [self.hmac(name), "", ""])
        self.assertEqual([one["reference"] for one in results], ["a", "", ""])
        self.assertTrue(results[1]["error"] and results[2]["error"])
        items = [{"input": HELLO, "hmac": results[0]["hmac"]}]
        checked = self.write(f"verify/{name}", batch_input=items)["data"]["batch_results"]
        self.assertTrue(checked[0]["valid"])


class GeneralCalls(TransitTest):
    def test_the_general_calls_do_the_same(self):
        name = fresh("key")
        self.write(f"keys/{name}")
        sealed = self.write(f"encrypt/{name}", plaintext=HELLO)["data"]["ciphertext"]
        opened = self.root.write(f"{self.mount}/decrypt/{name}", ciphertext=sealed)
        self.assertEqual(opened["data"]["plaintext"], HELLO)

    def test_an_answer_can_be_wrapped(self):
        name = self.key()
        wrapped = self.root.write_data(
            f"{self.mount}/encrypt/{name}", data={"plaintext": HELLO}, wrap_ttl="60s"
        )
        token = wrapped["wrap_info"]["token"]
        data = self.client(token).sys.unwrap()["data"]
        self.assert_opens(name, data["ciphertext"])


class SealringsOwn(TransitTest):
    """What no other server of the protocol does."""

    def test_a_nonce_of_the_caller_s_is_not_used(self):
        name = self.key()
        nonce = encoded(bytes(12))
        for _ in range(2):
            sealed = self.encrypt(name, nonce=nonce)
            self.assertNotEqual(payload(sealed)[:12], bytes(12))
            self.assert_opens(name, sealed, nonce=nonce)

    def test_version_numbers_are_written_in_one_way(self):
        name = self.key()
        rest = self.encrypt(name).removeprefix("vault:v1:")
        for version in ("+1", "01", "0", " 1", "-1"):
            with self.refused(exceptions.InvalidRequest):
                self.decrypt(name, f"vault:v{version}:{rest}")

    def test_associated_data_makes_another_convergent_ciphertext(self):
        name = self.key(derived=True, convergent_encryption=True)
        sealed = [
            self.encrypt(name, context=ONE, associated_data=data) for data in (ONE, ONE, TWO)
        ]
        self.assertEqual(sealed[0], sealed[1])
        self.assertNotEqual(payload(sealed[0])[:12], payload(sealed[2])[:12])

    def test_rewrapping_takes_associated_data(self):
        name = self.key()
        sealed = self.encrypt(name, associated_data=ONE)
        data = self.write(f"rewrap/{name}", ciphertext=sealed, associated_data=ONE)["data"]
        self.assert_opens(name, data["ciphertext"], associated_data=ONE)
        with self.refused(exceptions.InvalidRequest, text=UNAUTHENTIC):
            self.call("rewrap_data", name, sealed)

    def test_ten_thousand_at_once(self):
        name = self.key()
        items = [{"plaintext": HELLO}] * 10_000
        results = self.call("encrypt_data", name, batch_input=items)["data"]["batch_results"]
        items = [{"ciphertext": one["ciphertext"]} for one in results]
        opened = self.call("decrypt_data", name, batch_input=items)["data"]["batch_results"]
        self.assertEqual([one["plaintext"] for one in opened], [HELLO] * 10_000)
