"""Policies and capabilities: what is written is read again, and is what decides."""

import base64
import json

from hvac import exceptions

from sealring import ROOT_TOKEN, ServiceTest, eventually, fresh

HCL = 'path "sys/health" { capabilities = ["read", "sudo"] }'
AS_DICT = {"path": {"sys/health": {"capabilities": ["read", "sudo"]}}}


class Written(ServiceTest):
    def name(self):
        name = fresh("policy")
        self.addCleanup(self.client(ROOT_TOKEN).sys.delete_acl_policy, name)
        return name

    def test_a_policy_is_read_as_it_was_written(self):
        name = self.name()
        made = self.root.sys.create_or_update_acl_policy(name, HCL)
        self.assertEqual(made.status_code, 204)
        read = self.root.sys.read_acl_policy(name)["data"]
        self.assertEqual(read, {"name": name, "policy": HCL})

    def test_a_policy_is_replaced(self):
        name = self.name()
        self.root.sys.create_or_update_acl_policy(name, 'path "a" { policy = "read" }')
        self.root.sys.create_or_update_acl_policy(name, HCL)
        self.assertEqual(self.root.sys.read_acl_policy(name)["data"]["policy"], HCL)

    def test_json_keeps_its_form(self):
        for pretty in (True, False):
            name = self.name()
            self.root.sys.create_or_update_acl_policy(name, AS_DICT, pretty_print=pretty)
            text = self.root.sys.read_acl_policy(name)["data"]["policy"]
            self.assertEqual(json.loads(text), AS_DICT)
            self.assertEqual(len(text.splitlines()) > 1, pretty)

    def test_a_policy_may_come_in_base64(self):
        name = self.name()
        policy = base64.b64encode(HCL.encode()).decode()
        self.root.write_data(f"sys/policies/acl/{name}", data={"policy": policy})
        self.assertEqual(self.root.sys.read_acl_policy(name)["data"]["policy"], HCL)

    def test_names_are_lower_case(self):
        name = self.name()
        self.root.sys.create_or_update_acl_policy(name.upper(), HCL)
        for asked in (name, name.upper()):
            self.assertEqual(self.root.sys.read_acl_policy(asked)["data"]["name"], name)

    def test_policies_are_listed_with_root_and_default(self):
        name = self.name()
        self.root.sys.create_or_update_acl_policy(name, HCL)
        keys = self.root.sys.list_acl_policies()["data"]["keys"]
        self.assertTrue({"default", "root", name} <= set(keys))
        self.root.sys.delete_acl_policy(name)
        self.assertNotIn(name, self.root.sys.list_acl_policies()["data"]["keys"])

    def test_a_deleted_policy_is_gone_and_may_be_deleted_again(self):
        name = self.name()
        self.root.sys.create_or_update_acl_policy(name, HCL)
        for _ in range(2):
            self.assertEqual(self.root.sys.delete_acl_policy(name).status_code, 204)
            with self.refused(exceptions.InvalidPath):
                self.root.sys.read_acl_policy(name)

    def test_the_old_paths_do_the_same(self):
        name = self.name()
        self.assertIsNone(self.root.get_policy(name))
        made = self.root.sys.create_or_update_policy(name, AS_DICT)
        self.assertEqual(made.status_code, 204)
        listed = self.root.sys.list_policies()
        self.assertTrue({"default", "root", name} <= set(listed["data"]["policies"]))
        self.assertEqual(listed["policies"], listed["data"]["policies"])
        self.assertEqual(listed["keys"], listed["data"]["keys"])
        read = self.root.sys.read_policy(name)
        self.assertEqual(json.loads(read["data"]["rules"]), AS_DICT)
        self.assertEqual(read["rules"], read["data"]["rules"])
        self.assertEqual(self.root.get_policy(name), read["rules"])
        self.assertEqual(self.root.sys.read_acl_policy(name)["data"]["policy"], read["rules"])
        self.root.sys.delete_policy(name)
        self.assertNotIn(name, self.root.sys.list_policies()["data"]["policies"])

    def test_root_and_default_are_not_taken_away(self):
        with self.refused(exceptions.InvalidRequest, text='cannot update "root" policy'):
            self.root.sys.create_or_update_acl_policy("root", HCL)
        with self.refused(exceptions.InvalidRequest):
            self.root.sys.delete_acl_policy("root")
        with self.refused(exceptions.InvalidRequest, text="cannot delete default policy"):
            self.root.sys.delete_acl_policy("default")
        default = self.root.sys.read_acl_policy("default")["data"]["policy"]
        for path in ("auth/token/lookup-self", "sys/capabilities-self", "sys/wrapping/unwrap"):
            self.assertIn(path, default)

    def test_what_is_no_policy_is_refused_with_its_place(self):
        for wrong in (
            'path "a" {\n  capabilities = ["read"]\n',
            'path "a" {\n  capabilities = "read", }',
            "not a policy at all {",
        ):
            with self.assertRaises(exceptions.InvalidRequest) as caught:
                self.root.sys.create_or_update_acl_policy(self.name(), wrong)
            self.assertRegex(str(caught.exception), r"line \d+.*column \d+|\d+:\d+")

    def test_what_means_nothing_is_refused(self):
        for wrong in (
            'path "a" { capabilities = ["fly"] }',
            'path "a" { policy = "fly" }',
            'path "a" { colour = "blue" }',
            'lane "a" { capabilities = ["read"] }',
            'path "a/+*" { capabilities = ["read"] }',
        ):
            with self.refused(exceptions.InvalidRequest):
                self.root.sys.create_or_update_acl_policy(self.name(), wrong)
        with self.refused(exceptions.InvalidRequest):
            self.root.write_data(f"sys/policies/acl/{self.name()}", data={})

    def test_policies_of_the_enterprise_edition_are_not_there(self):
        for call in (
            self.root.sys.list_rgp_policies,
            self.root.sys.list_egp_policies,
            lambda: self.root.sys.read_rgp_policy("x"),
            lambda: self.root.sys.read_egp_policy("x"),
            lambda: self.root.sys.create_or_update_rgp_policy("x", "main = rule {}", "advisory"),
            lambda: self.root.sys.create_or_update_egp_policy("x", "main = rule {}", "advisory", ["*"]),
            lambda: self.root.sys.delete_rgp_policy("x"),
            lambda: self.root.sys.delete_egp_policy("x"),
        ):
            with self.refused(exceptions.InvalidPath):
                call()


class Capabilities(ServiceTest):
    POLICY = """
    path "transit/encrypt/orders" { capabilities = ["update"] }
    path "transit/keys/*" { capabilities = ["read", "list"] }
    path "transit/keys/secret" { capabilities = ["deny"] }
    """

    def test_root_may_do_everything(self):
        answer = self.root.sys.get_capabilities(["transit/keys/a", "sys/seal"])
        self.assertEqual(answer["data"]["transit/keys/a"], ["root"])
        self.assertEqual(answer["data"]["sys/seal"], ["root"])
        self.assertNotIn("capabilities", answer["data"])
        self.assertEqual(answer["sys/seal"], ["root"])

    def test_a_token_asks_for_itself_and_others_ask_for_it(self):
        holder = self.holder(self.POLICY)
        accessor = holder.auth.token.lookup_self()["data"]["accessor"]
        expected = {
            "transit/encrypt/orders": ["update"],
            "transit/keys/orders": ["list", "read"],
            "transit/keys/secret": ["deny"],
            "transit/decrypt/orders": ["deny"],
        }
        paths = list(expected)
        for answer in (
            holder.sys.get_capabilities(paths),
            self.root.sys.get_capabilities(paths, token=holder.token),
            self.root.sys.get_capabilities(paths, accessor=accessor),
        ):
            self.assert_has(answer["data"], **expected)
            self.assert_has(answer, **expected)

    def test_a_single_path_has_its_answer_under_a_fixed_name_too(self):
        holder = self.holder(self.POLICY)
        for paths in (["transit/encrypt/orders"], "transit/encrypt/orders"):
            data = holder.sys.get_capabilities(paths)["data"]
            self.assertEqual(data["capabilities"], ["update"])

    def test_what_is_unknown_or_missing_is_refused(self):
        with self.refused(exceptions.InvalidRequest):
            self.root.sys.get_capabilities(["a"], token="hvs.unknown")
        with self.refused(exceptions.InvalidRequest):
            self.root.sys.get_capabilities(["a"], accessor="unknown")
        with self.refused(exceptions.InvalidRequest, text="paths must be supplied"):
            self.root.sys.get_capabilities([])

    def test_only_one_s_own_may_be_asked_for_by_default(self):
        holder = self.holder(self.POLICY)
        with self.refused(exceptions.Forbidden):
            holder.sys.get_capabilities(["a"], token=ROOT_TOKEN)


class Decisions(ServiceTest):
    def setUp(self):
        super().setUp()
        self.key = self.ring()

    def encrypt(self, client, key=None, **more):
        return client.secrets.transit.encrypt_data(key or self.key, "aGVsbG8=", **more)

    def decrypt(self, client, ciphertext):
        return client.secrets.transit.decrypt_data(self.key, ciphertext)

    def test_a_token_that_may_only_encrypt_only_encrypts(self):
        path = f"transit/encrypt/{self.key}"
        client = self.holder(f'path "{path}" {{ capabilities = ["update"] }}')
        ciphertext = self.encrypt(client)["data"]["ciphertext"]
        transit = client.secrets.transit
        for call in (
            lambda: self.decrypt(client, ciphertext),
            lambda: transit.rewrap_data(self.key, ciphertext),
            lambda: transit.read_key(self.key),
            lambda: transit.list_keys(),
            lambda: transit.create_key(fresh("ring")),
            lambda: transit.rotate_key(self.key),
            lambda: transit.update_key_configuration(self.key, deletion_allowed=True),
            lambda: transit.delete_key(self.key),
            lambda: transit.generate_data_key(self.key, "plaintext"),
            lambda: self.encrypt(client, key="another"),
            lambda: client.sys.list_mounted_secrets_engines(),
            lambda: client.sys.seal(),
            lambda: client.sys.read_acl_policy("default"),
            lambda: client.auth.token.create(),
            lambda: client.read("no/such/mount"),
        ):
            with self.refused(exceptions.Forbidden, text="permission denied"):
                call()
        self.assertEqual(
            self.decrypt(self.root, ciphertext)["data"]["plaintext"], "aGVsbG8="
        )

    def test_a_star_is_any_rest_and_a_plus_any_one_segment(self):
        client = self.holder(
            """
            path "transit/encrypt/ring-*" { capabilities = ["update"] }
            path "+/keys/+" { capabilities = ["read"] }
            """
        )
        self.encrypt(client)
        client.secrets.transit.read_key(self.key)
        with self.refused(exceptions.Forbidden):
            self.encrypt(client, key="other")
        with self.refused(exceptions.Forbidden):
            client.read(f"transit/keys/{self.key}/history")

    def test_a_denial_wins_and_the_closer_rule_wins(self):
        wide = 'path "transit/*" { capabilities = ["create", "read", "update", "list"] }'
        narrow = f'path "transit/decrypt/{self.key}" {{ capabilities = ["deny"] }}'
        client = self.holder(f"{wide}\n{narrow}")
        ciphertext = self.encrypt(client)["data"]["ciphertext"]
        with self.refused(exceptions.Forbidden):
            self.decrypt(client, ciphertext)
        names = [self.policy(wide), self.policy('path "transit/*" { capabilities = ["deny"] }')]
        made = self.root.auth.token.create(policies=names)["auth"]
        with self.refused(exceptions.Forbidden):
            self.encrypt(self.client(made["client_token"]))

    def test_keys_are_made_and_changed_with_update(self):
        client = self.holder(
            """
            path "transit/keys/made-*" { capabilities = ["update"] }
            path "transit/keys/read-*" { capabilities = ["create", "read"] }
            """
        )
        transit = client.secrets.transit
        transit.create_key(fresh("made"))
        with self.refused(exceptions.Forbidden):
            transit.create_key(fresh("read"))

    def test_encrypting_with_a_key_that_is_not_there_is_creating_it(self):
        client = self.holder('path "transit/encrypt/*" { capabilities = ["update"] }')
        self.encrypt(client)
        with self.refused(exceptions.Forbidden):
            self.encrypt(client, key=fresh("absent"))

    def test_parameters_are_allowed_denied_and_required(self):
        path = f"transit/encrypt/{self.key}"
        for rule, passes, fails in (
            ('denied_parameters = { "key_version" = [] }', {}, {"key_version": 1}),
            (
                'allowed_parameters = { "plaintext" = [], "associated_data" = ["YQ=="] }',
                {"associated_data": "YQ=="},
                {"associated_data": "Yg=="},
            ),
            ('required_parameters = ["associated_data"]', {"associated_data": "YQ=="}, {}),
        ):
            client = self.holder(f'path "{path}" {{ capabilities = ["update"]\n {rule} }}')
            self.encrypt(client, **passes)
            with self.refused(exceptions.Forbidden):
                self.encrypt(client, **fails)

    def test_a_changed_policy_is_soon_obeyed_by_the_tokens_that_have_it(self):
        path = f"transit/encrypt/{self.key}"
        name = self.policy(f'path "{path}" {{ capabilities = ["update"] }}')
        made = self.root.auth.token.create(policies=[name])["auth"]
        client = self.client(made["client_token"])

        def allowed():
            try:
                return bool(self.encrypt(client))
            except exceptions.Forbidden:
                return False

        self.assertTrue(allowed())
        self.root.sys.create_or_update_acl_policy(name, f'path "{path}" {{ policy = "deny" }}')
        eventually("the denial", lambda: not allowed())
        self.root.sys.create_or_update_acl_policy(name, f'path "{path}" {{ policy = "write" }}')
        eventually("the permission", allowed)
        self.root.sys.delete_acl_policy(name)
        eventually("the denial", lambda: not allowed())

    def test_a_wrapping_time_can_be_demanded(self):
        path = f"transit/keys/{self.key}"
        client = self.holder(
            f'path "{path}" {{ capabilities = ["read"]\n'
            'min_wrapping_ttl = "1m"\n max_wrapping_ttl = "10m" }'
        )
        self.assertEqual(client.read(path, wrap_ttl="5m")["wrap_info"]["ttl"], 300)
        for wrap_ttl in (None, "10s", "1h"):
            with self.refused(exceptions.Forbidden):
                client.read(path, wrap_ttl=wrap_ttl)
