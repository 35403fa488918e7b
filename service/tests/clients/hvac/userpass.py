"""Users and passwords."""

from hvac import exceptions

from sealring import AT_FAULT, ServiceTest, fresh

INVALID = "invalid username or password"


class Userpass(ServiceTest):
    def setUp(self):
        super().setUp()
        self.path = self.auth_method("userpass")
        self.user = fresh("user")

    def create(self, password="correct horse", **settings):
        return self.root.auth.userpass.create_or_update_user(
            self.user, password, mount_point=self.path, **settings
        )

    def call(self, verb, *args):
        return getattr(self.root.auth.userpass, verb)(self.user, *args, mount_point=self.path)

    def login(self, password="correct horse", user=None):
        client = self.client()
        client.auth.userpass.login(user or self.user, password, mount_point=self.path)
        return client

    def test_a_user_logs_in_with_a_password(self):
        self.assertEqual(self.create(policies="not_root").status_code, 204)
        client = self.client()
        answer = client.auth.userpass.login(self.user, "correct horse", mount_point=self.path)
        auth = answer["auth"]
        self.assertEqual(client.token, auth["client_token"])
        self.assertTrue(client.is_authenticated())
        self.assert_has(
            auth,
            policies=["default", "not_root"],
            metadata={"username": self.user},
            token_type="service",
            renewable=True,
            orphan=True,
        )
        data = client.auth.token.lookup_self()["data"]
        self.assert_has(
            data,
            display_name=f"{self.path}-{self.user}",
            path=f"auth/{self.path}/login/{self.user}",
            meta={"username": self.user},
        )

    def test_a_wrong_password_and_an_unknown_user_are_the_same(self):
        self.create()
        for user, password in ((self.user, "wrong"), ("nobody", "correct horse")):
            with self.refused(exceptions.InvalidRequest, text=INVALID):
                self.login(password, user)
        with self.refused(*AT_FAULT):
            self.login("")

    def test_users_are_listed_read_and_deleted_without_their_passwords(self):
        with self.refused(exceptions.InvalidPath):
            self.root.auth.userpass.list_user(mount_point=self.path)
        self.create(token_policies=["dev"], token_ttl="10m", token_max_ttl="1h")
        keys = self.root.auth.userpass.list_user(mount_point=self.path)["data"]["keys"]
        self.assertEqual(keys, [self.user])
        data = self.call("read_user")["data"]
        self.assert_has(data, token_policies=["dev"], token_ttl=600, token_max_ttl=3600)
        self.assertNotIn("password", str(data))
        self.assertNotIn("argon2", str(data))
        self.assertEqual(self.call("delete_user").status_code, 204)
        with self.refused(exceptions.InvalidPath):
            self.call("read_user")
        with self.refused(exceptions.InvalidRequest, text=INVALID):
            self.login()

    def test_a_changed_password_replaces_the_old_one_and_nothing_else(self):
        self.create(policies=["dev"])
        changed = self.call("update_password_on_user", "battery staple")
        self.assertEqual(changed.status_code, 204)
        with self.refused(exceptions.InvalidRequest, text=INVALID):
            self.login()
        data = self.login("battery staple").auth.token.lookup_self()["data"]
        self.assertEqual(data["policies"], ["default", "dev"])

    def test_an_update_of_a_user_leaves_the_password(self):
        self.create()
        self.root.auth.userpass.create_or_update_user(
            self.user, policies=["ops"], mount_point=self.path
        )
        data = self.login().auth.token.lookup_self()["data"]
        self.assertEqual(data["policies"], ["default", "ops"])

    def test_the_old_spellings_of_settings_are_obeyed(self):
        self.create(policies="not_root", ttl="10s")
        answer = self.client().auth.userpass.login(
            self.user, "correct horse", mount_point=self.path
        )
        self.assertEqual(answer["auth"]["lease_duration"], 10)

    def test_names_are_lower_case(self):
        self.create()
        client = self.login(user=self.user.upper())
        meta = client.auth.token.lookup_self()["data"]["meta"]
        self.assertEqual(meta, {"username": self.user})

    def test_a_password_is_needed(self):
        with self.refused(exceptions.InvalidRequest):
            self.root.auth.userpass.create_or_update_user(self.user, mount_point=self.path)
        self.create()
        with self.refused(exceptions.InvalidRequest):
            self.call("update_password_on_user", "")

    def test_a_password_of_an_absent_user_is_not_set(self):
        with self.refused(*AT_FAULT, exceptions.InvalidPath):
            self.call("update_password_on_user", "battery staple")

    def test_guessing_is_stopped_even_if_the_guess_is_right_at_last(self):
        self.create()
        for _ in range(10):
            with self.refused(exceptions.InvalidRequest, exceptions.Forbidden):
                self.login("wrong")
        with self.refused(exceptions.InvalidRequest, exceptions.Forbidden):
            self.login()
