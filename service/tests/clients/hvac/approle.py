"""AppRole: roles, secret ids, and the tokens that both together give."""

from hvac import exceptions

from sealring import AT_FAULT, ServiceTest, fresh


class AppRole(ServiceTest):
    def setUp(self):
        super().setUp()
        self.path = self.auth_method("approle")
        self.role = fresh("role")

    def api(self, client=None):
        return (client or self.root).auth.approle

    def configure(self, **settings):
        settings.setdefault("token_policies", ["default"])
        return self.api().create_or_update_approle(
            self.role, mount_point=self.path, **settings
        )

    def call(self, verb, *args, **more):
        return getattr(self.api(), verb)(self.role, *args, mount_point=self.path, **more)

    def role_id(self):
        return self.call("read_role_id")["data"]["role_id"]

    def secret_id(self, **settings):
        return self.call("generate_secret_id", **settings)["data"]

    def login(self, secret_id=None, role_id=None):
        client = self.client()
        role_id = role_id or self.role_id()
        answer = self.api(client).login(role_id, secret_id, mount_point=self.path)
        self.assertEqual(client.token, answer["auth"]["client_token"])
        return answer["auth"], client

    def refused_login(self, secret_id=None, role_id=None, text=""):
        with self.refused(exceptions.InvalidRequest, text=text):
            self.login(secret_id, role_id)

    def test_a_role_and_a_secret_id_give_a_token(self):
        self.configure(token_ttl="20m", token_max_ttl="30m")
        auth, client = self.login(self.secret_id()["secret_id"])
        self.assert_has(
            auth,
            policies=["default"],
            token_policies=["default"],
            lease_duration=1200,
            renewable=True,
            token_type="service",
            orphan=True,
        )
        self.assert_has(auth["metadata"], role_name=self.role)
        self.assertTrue(client.is_authenticated())
        data = client.auth.token.lookup_self()["data"]
        self.assert_has(data, path=f"auth/{self.path}/login", display_name=self.path, orphan=True)
        self.assertEqual(data["meta"]["role_name"], self.role)
        renewed = client.auth.token.renew_self(increment="2h")["auth"]
        self.assertIn(renewed["lease_duration"], range(1700, 1801))

    def test_the_client_may_keep_its_own_token(self):
        self.configure()
        answer = self.api().login(
            self.role_id(), self.secret_id()["secret_id"], use_token=False, mount_point=self.path
        )
        self.assertNotEqual(self.root.token, answer["auth"]["client_token"])

    def test_a_role_is_read_as_it_was_written(self):
        self.configure(
            token_policies=["b", "a"],
            token_ttl="10m",
            token_max_ttl="1h",
            token_num_uses=3,
            token_bound_cidrs=["127.0.0.0/8"],
            token_no_default_policy=True,
            secret_id_ttl="30m",
            secret_id_num_uses=5,
            secret_id_bound_cidrs=["127.0.0.1/32"],
        )
        data = self.call("read_role")["data"]
        self.assertEqual(sorted(data.pop("token_policies")), ["a", "b"])
        self.assert_has(
            data,
            bind_secret_id=True,
            local_secret_ids=False,
            secret_id_bound_cidrs=["127.0.0.1/32"],
            secret_id_num_uses=5,
            secret_id_ttl=1800,
            token_bound_cidrs=["127.0.0.0/8"],
            token_explicit_max_ttl=0,
            token_max_ttl=3600,
            token_no_default_policy=True,
            token_num_uses=3,
            token_period=0,
            token_ttl=600,
            token_type="default",
        )
        by_path = self.root.read(f"auth/{self.path}/role/{self.role}")["data"]
        self.assertEqual(by_path, self.call("read_role")["data"])

    def test_an_update_leaves_what_it_does_not_name(self):
        self.configure(token_ttl="10m")
        made = self.api().create_or_update_approle(
            self.role, token_max_ttl="1h", mount_point=self.path
        )
        self.assertEqual(made.status_code, 204)
        self.assert_has(self.call("read_role")["data"], token_ttl=600, token_max_ttl=3600)

    def test_roles_are_listed_and_deleted(self):
        with self.refused(exceptions.InvalidPath):
            self.api().list_roles(mount_point=self.path)
        self.configure()
        keys = self.api().list_roles(mount_point=self.path)["data"]["keys"]
        self.assertEqual(keys, [self.role])
        secret_id, role_id = self.secret_id()["secret_id"], self.role_id()
        self.assertEqual(self.call("delete_role").status_code, 204)
        for verb in ("read_role", "read_role_id"):
            with self.refused(exceptions.InvalidPath):
                self.call(verb)
        self.refused_login(secret_id, role_id, text="invalid role or secret ID")
        # The same name again is another role: the old secret id does not open it.
        self.configure()
        self.refused_login(secret_id, text="invalid role or secret ID")

    def test_the_role_id_can_be_chosen(self):
        self.configure()
        chosen = fresh("chosen-role-id")
        self.assertEqual(self.call("update_role_id", chosen).status_code, 204)
        self.assertEqual(self.role_id(), chosen)
        self.login(self.secret_id()["secret_id"], chosen)

    def test_what_is_wrong_or_missing_at_a_login_is_refused(self):
        self.configure()
        good = self.secret_id()["secret_id"]
        self.refused_login("wrong", text="invalid role or secret ID")
        self.refused_login("00000000-0000-0000-0000-000000000000", text="invalid role or secret ID")
        self.refused_login(good, "wrong", text="invalid role or secret ID")
        self.refused_login(text="missing secret_id")
        with self.refused(*AT_FAULT, text="missing role_id"):
            self.api(self.client()).login("", good, mount_point=self.path)

    def test_a_secret_id_of_one_role_does_not_open_another(self):
        self.configure()
        secret_id = self.secret_id()["secret_id"]
        self.role = fresh("role")
        self.configure()
        self.refused_login(secret_id, text="invalid role or secret ID")

    def test_a_secret_id_of_one_mount_does_not_open_another(self):
        self.configure()
        secret_id, role_id = self.secret_id()["secret_id"], self.role_id()
        self.path = self.auth_method("approle")
        self.configure()
        self.call("update_role_id", role_id)
        self.refused_login(secret_id, text="invalid role or secret ID")

    def test_metadata_of_the_secret_id_is_the_token_s(self):
        self.configure()
        auth, client = self.login(self.secret_id(metadata={"host": "a1"})["secret_id"])
        self.assert_has(auth["metadata"], host="a1", role_name=self.role)
        self.assertEqual(client.auth.token.lookup_self()["data"]["meta"]["host"], "a1")

    def test_a_secret_id_is_described_until_it_is_destroyed(self):
        self.configure(secret_id_ttl="1h", secret_id_num_uses=7)
        made = self.secret_id(metadata={"foo": "bar"}, cidr_list=["127.0.0.1/32"])
        self.assert_has(made, secret_id_ttl=3600, secret_id_num_uses=7)
        expected = {
            "secret_id_accessor": made["secret_id_accessor"],
            "secret_id_num_uses": 7,
            "secret_id_ttl": 3600,
            "metadata": {"foo": "bar"},
            "cidr_list": ["127.0.0.1/32"],
        }
        for data in (
            self.call("read_secret_id", made["secret_id"])["data"],
            self.call("read_secret_id_accessor", made["secret_id_accessor"])["data"],
        ):
            self.assert_has(data, **expected)
            self.assertIn("T", data["creation_time"])
            self.assertIn("T", data["expiration_time"])
            self.assertNotIn(made["secret_id"], str(data))
        gone = self.call("destroy_secret_id", made["secret_id"])
        self.assertEqual(gone.status_code, 204)
        self.assertEqual(self.call("read_secret_id", made["secret_id"]).status_code, 204)
        with self.refused(exceptions.InvalidPath):
            self.call("read_secret_id_accessor", made["secret_id_accessor"])
        self.refused_login(made["secret_id"], text="invalid role or secret ID")

    def test_secret_ids_are_listed_and_destroyed_by_accessor(self):
        self.configure()
        with self.refused(exceptions.InvalidPath):
            self.call("list_secret_id_accessors")
        made = [self.secret_id() for _ in range(3)]
        accessors = {one["secret_id_accessor"] for one in made}
        self.assertEqual(set(self.call("list_secret_id_accessors")["data"]["keys"]), accessors)
        gone = self.call("destroy_secret_id_accessor", made[0]["secret_id_accessor"])
        self.assertEqual(gone.status_code, 204)
        self.refused_login(made[0]["secret_id"])
        self.login(made[1]["secret_id"])
        self.assertEqual(len(self.call("list_secret_id_accessors")["data"]["keys"]), 2)

    def test_a_secret_id_is_used_up(self):
        self.configure(secret_id_num_uses=2)
        made = self.secret_id()
        self.login(made["secret_id"])
        left = self.call("read_secret_id", made["secret_id"])["data"]["secret_id_num_uses"]
        self.assertEqual(left, 1)
        self.login(made["secret_id"])
        self.refused_login(made["secret_id"], text="invalid role or secret ID")
        with self.refused(exceptions.InvalidPath):
            self.call("list_secret_id_accessors")

    def test_a_secret_id_can_be_chosen(self):
        self.configure()
        chosen = fresh("a secret of my own")
        made = self.call("create_custom_secret_id", chosen, metadata={"a": "b"})["data"]
        self.assertEqual(made["secret_id"], chosen)
        auth, _ = self.login(chosen)
        self.assertEqual(auth["metadata"]["a"], "b")
        with self.refused(*AT_FAULT):
            self.call("create_custom_secret_id", chosen)

    def test_a_secret_id_can_be_handed_over_wrapped(self):
        self.configure()
        for ttl in (300, "5m"):
            for wrapped in (
                self.call("generate_secret_id", wrap_ttl=ttl),
                self.call("create_custom_secret_id", fresh("secret"), wrap_ttl=ttl),
            ):
                self.assertIsNone(wrapped["data"])
                self.assertEqual(wrapped["wrap_info"]["ttl"], 300)
                opened = self.client(wrapped["wrap_info"]["token"]).sys.unwrap()["data"]
                self.login(opened["secret_id"])

    def test_a_role_without_secret_ids_opens_by_role_id_alone_where_addresses_bind(self):
        with self.refused(*AT_FAULT, text="at least one constraint"):
            self.configure(bind_secret_id=False)
        self.configure(bind_secret_id=False, token_bound_cidrs=["127.0.0.1/32"])
        auth, _ = self.login()
        self.assertEqual(auth["policies"], ["default"])

    def test_addresses_bind_secret_ids_and_tokens(self):
        self.configure(secret_id_bound_cidrs=["127.0.0.0/8"])
        self.login(self.secret_id()["secret_id"])
        self.login(self.secret_id(cidr_list=["127.0.0.1/32"])["secret_id"])
        with self.refused(*AT_FAULT):
            # Not within the role's.
            self.secret_id(cidr_list=["192.0.2.0/24"])
        self.configure(secret_id_bound_cidrs=["192.0.2.0/24"])
        with self.refused(exceptions.InvalidRequest, exceptions.Forbidden):
            self.login(self.secret_id()["secret_id"])
        self.role = fresh("role")
        self.configure(token_bound_cidrs=["192.0.2.0/24"])
        try:
            _, client = self.login(self.secret_id()["secret_id"])
            self.assertFalse(client.is_authenticated())
        except exceptions.Forbidden:
            # Sooner than OpenBao, which gives a token that is good for nothing.
            pass
        with self.refused(*AT_FAULT):
            self.configure(token_bound_cidrs=["not an address"])

    def test_the_role_decides_what_token_it_gives(self):
        self.configure(token_type="batch", token_ttl="5m")
        auth, _ = self.login(self.secret_id()["secret_id"])
        self.assert_has(auth, token_type="batch", lease_duration=300, accessor="")
        self.configure(token_type="service", token_period="10m", token_ttl=0)
        auth, client = self.login(self.secret_id()["secret_id"])
        self.assert_has(auth, token_type="service", lease_duration=600)
        self.assertEqual(client.auth.token.lookup_self()["data"]["period"], 600)
        self.configure(token_period=0, token_num_uses=1)
        auth, client = self.login(self.secret_id()["secret_id"])
        self.assertEqual(auth["num_uses"], 1)
        client.auth.token.lookup_self()
        self.assertFalse(client.is_authenticated())
        self.configure(token_num_uses=0, token_policies=["x"], token_no_default_policy=True)
        auth, _ = self.login(self.secret_id()["secret_id"])
        self.assertEqual(auth["policies"], ["x"])

    def test_what_hvac_itself_refuses_never_leaves_it(self):
        with self.refused(exceptions.ParamValidationError, text="unsupported token_type"):
            self.configure(token_type="bad_token")
        with self.refused(exceptions.ParamValidationError, text="unsupported metadata"):
            self.call("generate_secret_id", metadata="bad")

    def test_an_absent_role_has_no_secret_ids(self):
        for verb in ("generate_secret_id", "read_role", "read_role_id"):
            with self.refused(exceptions.InvalidRequest, exceptions.InvalidPath):
                self.call(verb)
        self.assertEqual(self.call("delete_role").status_code, 204)

    def test_tokens_go_with_their_auth_method(self):
        self.configure()
        _, client = self.login(self.secret_id()["secret_id"])
        self.root.sys.disable_auth_method(self.path)
        self.assert_dead(client.token)

    def test_an_application_can_only_do_what_its_role_says(self):
        key = self.ring()
        path = f"transit/encrypt/{key}"
        policy = self.policy(f'path "{path}" {{ capabilities = ["update"] }}')
        self.configure(token_policies=[policy])
        _, client = self.login(self.secret_id()["secret_id"])
        sealed = client.secrets.transit.encrypt_data(key, "aGVsbG8=")["data"]["ciphertext"]
        with self.refused(exceptions.Forbidden, text="permission denied"):
            client.secrets.transit.decrypt_data(key, sealed)
        with self.refused(exceptions.Forbidden, text="permission denied"):
            self.api(client).read_role(self.role, mount_point=self.path)
