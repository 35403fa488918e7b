"""The service under test, as the environment describes it, and what most tests do on the way.

`cargo test` starts a service for each file of tests. By hand, against one that nobody else uses:

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r service/tests/clients/requirements.txt
    cd service/tests/clients/hvac
    export VAULT_ADDR=http://127.0.0.1:8200 VAULT_TOKEN=...
    /tmp/venv/bin/python -B -m unittest tokens
    /tmp/venv/bin/python -B -m unittest tokens.Roles.test_an_unknown_role_is_refused

`system` needs what `sealring init` printed, `certificates` a listener with `tls_client_auth = "request"` and
the files that `pki.py` writes:

    export SEALRING_UNLOCK_SHARES="sealring-share-1:... sealring-share-1:..." SEALRING_UNLOCK_THRESHOLD=3
    export SEALRING_TLS_ADDRESS=https://127.0.0.1:8201 SEALRING_TLS_CA=pki/server-ca.pem
"""

import contextlib
import itertools
import os
import time
import unittest

import hvac
from hvac import exceptions

ADDRESS = os.environ["VAULT_ADDR"]
ROOT_TOKEN = os.environ["VAULT_TOKEN"]

# No working system needs this long for anything.
PATIENCE_SECONDS = 20

# The protocol answers some requests that are at fault with 500. The right status is as good.
AT_FAULT = (exceptions.InvalidRequest, exceptions.InternalServerError)

_numbers = itertools.count(1)


def fresh(word):
    """A name that nobody else uses."""
    return f"{word}-{next(_numbers)}"


def eventually(what, look):
    """The first true value that looking gives."""
    began = time.monotonic()
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise AssertionError(f"{what} did not come to be")
        time.sleep(0.02)


class ServiceTest(unittest.TestCase):
    """A test that leaves the service as it found it, apart from names of its own."""

    def setUp(self):
        self.root = self.client(ROOT_TOKEN)

    def client(self, token=None, url=ADDRESS, **more):
        """An unmodified client with this token; without one, with none."""
        made = hvac.Client(url=url, token=token, **more)
        # The client has looked into the environment.
        made.token = token
        self.addCleanup(made.session.close)
        return made

    @contextlib.contextmanager
    def refused(self, *errors, text=""):
        """What is done in it must fail with one of these errors, and this text in its message."""
        with self.assertRaises(exceptions.VaultError) as caught:
            yield
        self.assertIn(type(caught.exception), errors, caught.exception)
        self.assertIn(text, str(caught.exception))

    def auth_method(self, kind):
        """The path of a new auth method, which is gone after the test."""
        path = fresh(kind)
        self.root.sys.enable_auth_method(kind, path=path)
        self.addCleanup(self.client(ROOT_TOKEN).sys.disable_auth_method, path)
        return path

    def policy(self, text):
        """The name of a new policy, which is gone after the test."""
        name = fresh("policy")
        self.root.sys.create_or_update_acl_policy(name, text)
        self.addCleanup(self.client(ROOT_TOKEN).sys.delete_acl_policy, name)
        return name

    def holder(self, policy, **token):
        """A client whose token has this policy, given as text, and the default one."""
        name = self.policy(policy)
        made = self.root.auth.token.create(policies=[name], ttl="1h", **token)
        return self.client(made["auth"]["client_token"])

    def ring(self, **settings):
        """The name of a new key on the mount `transit`."""
        name = fresh("ring")
        self.root.secrets.transit.create_key(name, **settings)
        return name

    def assert_dead(self, token):
        """No request can be made with this token."""
        self.assertFalse(self.client(token).is_authenticated())
        with self.refused(exceptions.Forbidden):
            self.root.auth.token.lookup(token)

    def assert_alive(self, token):
        """This token is known."""
        self.assertEqual(self.root.auth.token.lookup(token)["data"]["id"], token)

    def assert_has(self, whole, **part):
        """The dictionary has these entries, whatever else it has."""
        self.assertEqual({name: whole.get(name) for name in part}, part)
