"""Response wrapping: an answer that can be opened once."""

from hvac import exceptions

from sealring import ServiceTest, eventually, fresh

INVALID = "wrapping token is not valid or does not exist"


class Wrapping(ServiceTest):
    def wrapped_token(self, ttl="1m"):
        return self.root.auth.token.create(ttl="1h", policies=["default"], wrap_ttl=ttl)["wrap_info"]

    def test_a_wrapped_answer_has_nothing_but_its_wrapping(self):
        answer = self.root.auth.token.create(period="30m", wrap_ttl="15m")
        self.assertIsNone(answer["auth"])
        self.assertIsNone(answer["data"])
        info = answer["wrap_info"]
        self.assert_has(info, ttl=900, creation_path="auth/token/create")
        self.assertIn("T", info["creation_time"])
        for name in ("token", "accessor", "wrapped_accessor"):
            self.assertTrue(info[name])

    def test_a_wrapped_token_is_opened_once(self):
        info = self.wrapped_token()
        before = self.root.token
        auth = self.root.sys.unwrap(info["token"])["auth"]
        self.assertEqual(self.root.token, before)
        self.assertEqual(auth["accessor"], info["wrapped_accessor"])
        self.assert_alive(auth["client_token"])
        with self.refused(exceptions.InvalidRequest, text=INVALID):
            self.root.sys.unwrap(info["token"])

    def test_whoever_holds_the_wrapping_needs_nothing_else(self):
        client = self.client(self.wrapped_token()["token"])
        token = client.sys.unwrap()["auth"]["client_token"]
        self.assert_alive(token)
        with self.refused(exceptions.InvalidRequest, text=INVALID):
            client.sys.unwrap()

    def test_a_client_can_log_in_with_a_wrapping(self):
        wrapping = self.wrapped_token()["token"]
        client = self.client()
        client.auth_cubbyhole(wrapping)
        self.assertNotIn(client.token, (wrapping, self.root.token))
        self.assertTrue(client.is_authenticated())

    def test_a_wrapping_is_good_for_opening_only(self):
        for call in (
            lambda client: client.sys.list_mounted_secrets_engines(),
            lambda client: client.auth.token.lookup_self(),
            lambda client: client.auth.token.create(),
            lambda client: client.secrets.transit.list_keys(),
        ):
            with self.refused(exceptions.Forbidden):
                call(self.client(self.wrapped_token()["token"]))

    def test_only_one_of_many_opens_it(self):
        token = self.wrapped_token()["token"]
        opened = 0
        for _ in range(5):
            try:
                self.root.sys.unwrap(token)
                opened += 1
            except exceptions.InvalidRequest:
                pass
        self.assertEqual(opened, 1)

    def test_what_is_wrapped_can_be_revoked_before_it_is_opened(self):
        info = self.wrapped_token()
        self.root.auth.token.revoke_accessor(info["wrapped_accessor"])
        auth = self.root.sys.unwrap(info["token"])["auth"]
        self.assert_dead(auth["client_token"])

    def test_a_wrapping_can_be_revoked(self):
        info = self.wrapped_token()
        self.root.auth.token.revoke_accessor(info["accessor"])
        with self.refused(exceptions.InvalidRequest, text=INVALID):
            self.root.sys.unwrap(info["token"])

    def test_a_wrapping_ends_by_itself(self):
        info = self.wrapped_token(ttl="1s")

        def ended():
            try:
                self.root.write_data("sys/wrapping/lookup", data={"token": info["token"]})
            except exceptions.InvalidRequest:
                return True

        eventually("the end", ended)
        with self.refused(exceptions.InvalidRequest, text=INVALID):
            self.root.sys.unwrap(info["token"])

    def test_any_answer_can_be_wrapped(self):
        name = self.ring()
        wrapped = self.root.read(f"transit/keys/{name}", wrap_ttl="2m")["wrap_info"]
        self.assert_has(wrapped, ttl=120, creation_path=f"transit/keys/{name}")
        self.assertNotIn("wrapped_accessor", {key for key, value in wrapped.items() if value})
        opened = self.root.sys.unwrap(wrapped["token"])
        self.assertEqual(opened["data"], self.root.secrets.transit.read_key(name)["data"])
        self.assertIsNone(opened["wrap_info"])

    def test_a_payload_of_one_s_own_can_be_wrapped(self):
        for payload, ttl in ((None, 60), ({"test": "test"}, 60), (None, 120), ({"a": {"b": [1]}}, 120)):
            info = self.root.sys.wrap(payload=payload, ttl=ttl)["wrap_info"]
            self.assert_has(info, ttl=ttl, creation_path="sys/wrapping/wrap")
            data = self.root.sys.unwrap(info["token"])
            # Nothing wrapped is nothing opened.
            opened = data["data"] if isinstance(data, dict) else None
            self.assertEqual(opened or {}, payload or {})

    def test_wrapping_needs_a_time(self):
        with self.refused(exceptions.InvalidRequest):
            self.root.write_data("sys/wrapping/wrap", data={"a": "b"})
        for wrong in ("soon", "-5s"):
            with self.refused(exceptions.InvalidRequest):
                self.root.write_data("sys/wrapping/wrap", data={"a": "b"}, wrap_ttl=wrong)

    def test_a_wrapping_can_be_looked_at_without_being_opened(self):
        info = self.root.sys.wrap({"a": "b"}, ttl=300)["wrap_info"]
        for _ in range(2):
            answer = self.root.write_data("sys/wrapping/lookup", data={"token": info["token"]})
            self.assert_has(
                answer["data"], creation_path="sys/wrapping/wrap", creation_ttl=300
            )
        self.assertEqual(self.root.sys.unwrap(info["token"])["data"], {"a": "b"})

    def test_a_wrapping_can_be_made_anew(self):
        info = self.root.sys.wrap({"a": "b"}, ttl=300)["wrap_info"]
        again = self.root.write_data("sys/wrapping/rewrap", data={"token": info["token"]})
        again = again["wrap_info"]
        self.assert_has(again, ttl=300)
        self.assertNotEqual(again["token"], info["token"])
        with self.refused(exceptions.InvalidRequest, text=INVALID):
            self.root.sys.unwrap(info["token"])
        self.assertEqual(self.root.sys.unwrap(again["token"])["data"], {"a": "b"})

    def test_garbage_is_no_wrapping(self):
        for garbage in ("not-a-wrapping", "hvs." + "A" * 24, self.root.token):
            with self.refused(exceptions.InvalidRequest):
                self.root.sys.unwrap(garbage)

    def test_an_error_is_not_wrapped(self):
        answer = self.root.read(f"transit/keys/{fresh('absent')}", wrap_ttl="1m")
        self.assertIsNone(answer)
