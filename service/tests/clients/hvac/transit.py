"""What the tests of transit share: a mount of their own, keys on it, and every call of hvac aimed there.

hvac names only the types that Vault had when it was written, so the mount's default type is one of them. The calls that
hvac lacks are made as its users make them, with its general `read`, `write_data`, `list` and `delete`.
"""

import base64

from sealring import ROOT_TOKEN, ServiceTest, fresh

SYMMETRIC = ("aes256-gcm96", "chacha20-poly1305")
CURVES = ("ecdsa-p256", "ecdsa-p384", "ecdsa-p521")
RSA = ("rsa-2048", "rsa-3072", "rsa-4096")
# These are not on the list that hvac checks types against.
UNKNOWN_TO_HVAC = ("aes128-gcm96", "xchacha20-poly1305")

TOO_OLD = "ciphertext or signature version is disallowed by policy (too old)"


def encoded(data):
    """Base64, of bytes or of text."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def decoded(text):
    """The bytes behind base64."""
    return base64.b64decode(text, validate=True)


def payload(text):
    """The bytes of a ciphertext, signature or HMAC, without its prefix and version."""
    return decoded(text.split(":")[2])


HELLO = encoded("hello")


class TransitTest(ServiceTest):
    """A test with a transit mount of its own."""

    def setUp(self):
        super().setUp()
        self.mount = self.own_mount()

    def own_mount(self):
        """The path of the mount that this test works on."""
        return self.transit_mount()

    def transit_mount(self):
        """The path of a new mount, which is gone after the test."""
        path = fresh("mount")
        self.enable(path)
        self.addCleanup(self.client(ROOT_TOKEN).sys.disable_secrets_engine, path)
        return path

    def enable(self, path):
        self.root.sys.enable_secrets_engine("transit", path=path, default_key_type="aes256-gcm96")

    def call(self, verb, *args, **more):
        """A method of hvac's transit, on this test's mount."""
        return getattr(self.root.secrets.transit, verb)(*args, mount_point=self.mount, **more)

    def write(self, path, **fields):
        """A write that hvac has no method for."""
        return self.root.write_data(f"{self.mount}/{path}", data=fields)

    def get(self, path):
        """A read that hvac has no method for."""
        return self.root.read(f"{self.mount}/{path}")["data"]

    def key(self, key_type=None, **settings):
        """The name of a new key."""
        name = fresh("key")
        if key_type in UNKNOWN_TO_HVAC or "key_size" in settings:
            self.write(f"keys/{name}", type=key_type, **settings)
        else:
            self.call("create_key", name, key_type=key_type, **settings)
        return name

    def read(self, name):
        return self.call("read_key", name)["data"]

    def config(self, name, **settings):
        return self.call("update_key_configuration", name, **settings)

    def rotate(self, name, times=1):
        for _ in range(times):
            self.call("rotate_key", name)

    def encrypt(self, name, plaintext=HELLO, **more):
        return self.call("encrypt_data", name, plaintext, **more)["data"]["ciphertext"]

    def decrypt(self, name, ciphertext, **more):
        return self.call("decrypt_data", name, ciphertext, **more)["data"]["plaintext"]

    def sign(self, name, hash_input=HELLO, **more):
        return self.call("sign_data", name, hash_input, **more)["data"]["signature"]

    def verify(self, name, hash_input=HELLO, **more):
        return self.call("verify_signed_data", name, hash_input, **more)["data"]["valid"]

    def hmac(self, name, hash_input=HELLO, **more):
        return self.call("generate_hmac", name, hash_input, **more)["data"]["hmac"]

    def export(self, name, key_type, version=None):
        return self.call("export_key", name, key_type, version=version)["data"]["keys"]

    def assert_opens(self, name, ciphertext, plaintext=HELLO, **more):
        self.assertEqual(self.decrypt(name, ciphertext, **more), plaintext)
