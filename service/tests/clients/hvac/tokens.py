"""Tokens: creating, looking up, renewing, revoking; trees, uses, roles."""

from hvac import exceptions

from sealring import ROOT_TOKEN, ServiceTest, fresh

MAKER = """
path "auth/token/create" { capabilities = ["create", "update"] }
path "auth/token/create-orphan" { capabilities = ["create", "update"] }
path "auth/token/renew" { capabilities = ["create", "update"] }
"""


class Tokens(ServiceTest):
    def create(self, client=None, **settings):
        return (client or self.root).auth.token.create(**settings)["auth"]

    def test_a_new_token_is_described_as_it_was_asked_for(self):
        auth = self.create(ttl="1h", meta={"team": "blue"}, policies=["default"])
        # Of old servers, "s.".
        self.assertRegex(auth["client_token"], r"^(hv)?s\.")
        self.assertTrue(auth["accessor"])
        self.assert_has(
            auth,
            lease_duration=3600,
            renewable=True,
            policies=["default"],
            token_policies=["default"],
            metadata={"team": "blue"},
            token_type="service",
            orphan=False,
            num_uses=0,
        )
        data = self.root.auth.token.lookup(auth["client_token"])["data"]
        self.assert_has(
            data,
            id=auth["client_token"],
            accessor=auth["accessor"],
            policies=["default"],
            path="auth/token/create",
            meta={"team": "blue"},
            display_name="token-token",
            creation_ttl=3600,
            explicit_max_ttl=0,
            num_uses=0,
            orphan=False,
            renewable=True,
            type="service",
        )
        self.assertIsInstance(data["creation_time"], int)
        self.assertIn(data["ttl"], range(3500, 3601))
        self.assertIn("T", data["expire_time"])
        self.assertIn("T", data["issue_time"])

    def test_a_token_looks_renews_and_revokes_itself(self):
        token = self.create(ttl="1h", policies=["default"])["client_token"]
        client = self.client(token)
        self.assertEqual(client.auth.token.lookup_self()["data"]["id"], token)
        renewed = client.auth.token.renew_self()["auth"]
        self.assert_has(renewed, client_token=token, lease_duration=3600)
        self.assertEqual(client.auth.token.revoke_self().status_code, 204)
        self.assert_dead(token)

    def test_the_general_calls_do_the_same(self):
        auth = self.create(ttl="1h")
        token = auth["client_token"]
        self.assertEqual(self.root.lookup_token(token)["data"]["id"], token)
        by_accessor = self.root.lookup_token(auth["accessor"], accessor=True)["data"]
        self.assert_has(by_accessor, id="", accessor=auth["accessor"])
        renewed = self.root.renew_token(token)["auth"]
        self.assertEqual(renewed["client_token"], token)
        self.root.revoke_token(token)
        self.assert_dead(token)
        auth = self.create(ttl="1h")
        self.root.revoke_token(auth["accessor"], accessor=True)
        self.assert_dead(auth["client_token"])

    def test_the_root_token_never_expires(self):
        data = self.root.auth.token.lookup_self()["data"]
        self.assert_has(data, policies=["root"], ttl=0, expire_time=None, type="service")

    def test_a_child_of_the_root_token_is_a_root_token_that_expires(self):
        auth = self.create(ttl="1h")
        self.assert_has(auth, policies=["root"], lease_duration=3600)

    def test_a_token_can_be_handled_by_its_accessor_without_being_seen(self):
        auth = self.create(ttl="1h", policies=["default"])
        accessor = auth["accessor"]
        data = self.root.auth.token.lookup_accessor(accessor)["data"]
        self.assert_has(data, accessor=accessor, id="", policies=["default"])
        self.assertIn(accessor, self.root.auth.token.list_accessors()["data"]["keys"])
        renewed = self.root.auth.token.renew_accessor(accessor, increment="2h")["auth"]
        self.assert_has(renewed, lease_duration=7200, client_token="")
        self.assertEqual(self.root.auth.token.revoke_accessor(accessor).status_code, 204)
        self.assert_dead(auth["client_token"])
        with self.refused(exceptions.InvalidRequest):
            self.root.auth.token.lookup_accessor(accessor)
        self.assertNotIn(accessor, self.root.auth.token.list_accessors()["data"]["keys"])

    def test_an_explicit_maximum_cuts_the_lifetime_and_every_renewal(self):
        auth = self.create(ttl="30m", explicit_max_ttl="5m")
        self.assertEqual(auth["lease_duration"], 300)
        renewed = self.root.auth.token.renew(auth["client_token"], increment="1h")["auth"]
        self.assertIn(renewed["lease_duration"], range(290, 301))
        data = self.root.auth.token.lookup(auth["client_token"])["data"]
        self.assertEqual(data["explicit_max_ttl"], 300)

    def test_a_renewal_takes_the_increment_that_is_asked_for(self):
        token = self.create(ttl="1h")["client_token"]
        renewed = self.root.auth.token.renew(token, increment="2h")["auth"]
        self.assert_has(renewed, client_token=token, lease_duration=7200)

    def test_a_renewal_ends_at_the_system_s_maximum(self):
        token = self.create(ttl="1h")["client_token"]
        renewed = self.root.auth.token.renew(token, increment="10000h")
        self.assertIn(renewed["auth"]["lease_duration"], range(768 * 3600 - 60, 768 * 3600 + 1))
        self.assertTrue(renewed["warnings"])

    def test_a_periodic_token_lives_as_long_as_it_is_renewed(self):
        auth = self.create(period="30m")
        self.assertEqual(auth["lease_duration"], 1800)
        renewed = self.root.auth.token.renew(auth["client_token"], increment="5h")["auth"]
        self.assertEqual(renewed["lease_duration"], 1800)
        data = self.root.auth.token.lookup(auth["client_token"])["data"]
        self.assertEqual(data["period"], 1800)

    def test_a_token_made_not_renewable_is_not_renewed(self):
        auth = self.create(ttl="1h", renewable=False)
        self.assertIs(auth["renewable"], False)
        with self.refused(exceptions.InvalidRequest):
            self.root.auth.token.renew(auth["client_token"])

    def test_a_token_with_a_number_of_uses_is_used_up(self):
        auth = self.create(num_uses=3, policies=["default"])
        self.assertEqual(auth["num_uses"], 3)
        client = self.client(auth["client_token"])
        for left in (2, 1, 0):
            data = client.auth.token.lookup_self()["data"]
            # The answer to the last use is given by a token that is already being revoked.
            self.assertIn(data["num_uses"], (left, -1))
        with self.refused(exceptions.Forbidden, text="permission denied"):
            client.auth.token.lookup_self()
        self.assert_dead(auth["client_token"])

    def test_the_default_policy_can_be_left_out(self):
        name = self.policy('path "transit/*" { capabilities = ["read"] }')
        self.assertEqual(self.create(policies=[name])["policies"], ["default", name])
        auth = self.create(policies=[name], no_default_policy=True)
        self.assertEqual(auth["policies"], [name])
        with self.refused(exceptions.Forbidden):
            self.client(auth["client_token"]).auth.token.lookup_self()

    def test_policies_are_lower_cased_sorted_and_without_doubles(self):
        auth = self.create(policies=["Zebra", "ape", "zebra"])
        self.assertEqual(auth["policies"], ["ape", "default", "zebra"])

    def test_a_policy_that_does_not_exist_gives_a_warning(self):
        answer = self.root.auth.token.create(policies=["no-such-policy"])
        warnings = " ".join(answer["warnings"])
        self.assertIn("no-such-policy", warnings)
        self.assertIn("does not exist", warnings)

    def test_root_may_choose_a_token_s_id(self):
        chosen = fresh("chosen")
        self.assertEqual(self.create(id=chosen, ttl="1h")["client_token"], chosen)
        self.assert_alive(chosen)
        with self.refused(exceptions.InvalidRequest):
            self.create(id=chosen, ttl="1h")
        with self.refused(exceptions.InvalidRequest):
            self.create(id="with.dot", ttl="1h")

    def test_a_holder_of_some_policies_gives_no_others(self):
        maker = self.holder(MAKER)
        own = maker.auth.token.lookup_self()["data"]["policies"]
        self.assertEqual(self.create(maker, ttl="10m")["policies"], own)
        self.assertEqual(self.create(maker, policies=["default"])["policies"], ["default"])
        for policies in (["root"], [*own, "another"]):
            with self.refused(exceptions.InvalidRequest, text="child policies must be subset of parent"):
                self.create(maker, policies=policies)
        with self.refused(exceptions.InvalidRequest):
            self.create(maker, id=fresh("chosen"))
        with self.refused(exceptions.InvalidRequest):
            self.create(maker, no_parent=True)
        with self.refused(exceptions.InvalidRequest):
            self.create(maker, period="1h")
        with self.refused(exceptions.Forbidden):
            maker.auth.token.list_accessors()

    def test_children_go_with_their_parent(self):
        parent = self.holder(MAKER)
        child = self.client(self.create(parent, ttl="10m")["client_token"])
        grandchild = self.create(child, ttl="10m")["client_token"]
        orphan = parent.auth.token.create_orphan(ttl="10m")["auth"]
        self.assertIs(orphan["orphan"], True)
        self.root.auth.token.revoke(parent.token)
        for dead in (parent.token, child.token, grandchild):
            self.assert_dead(dead)
        self.assert_alive(orphan["client_token"])

    def test_children_may_be_orphaned_instead(self):
        parent = self.holder(MAKER)
        child = self.client(self.create(parent, ttl="10m")["client_token"])
        grandchild = self.create(child, ttl="10m")["client_token"]
        self.root.auth.token.revoke_and_orphan_children(parent.token)
        self.assert_dead(parent.token)
        self.assertIs(self.root.auth.token.lookup(child.token)["data"]["orphan"], True)
        self.assertIs(self.root.auth.token.lookup(grandchild)["data"]["orphan"], False)
        self.root.auth.token.revoke(child.token)
        self.assert_dead(grandchild)

    def test_root_makes_orphans_in_two_ways(self):
        for auth in (
            self.create(no_parent=True, ttl="1h"),
            self.root.auth.token.create_orphan(ttl="1h")["auth"],
        ):
            self.assertIs(auth["orphan"], True)
            self.assertIs(self.root.auth.token.lookup(auth["client_token"])["data"]["orphan"], True)

    def test_a_batch_token_is_nowhere_kept_and_cannot_be_renewed_or_revoked(self):
        auth = self.create(type="batch", policies=["default"], ttl="1h")
        self.assertRegex(auth["client_token"], r"^(hv)?b\.")
        self.assert_has(
            auth, accessor="", renewable=False, token_type="batch", lease_duration=3600
        )
        client = self.client(auth["client_token"])
        self.assert_has(client.auth.token.lookup_self()["data"], type="batch", accessor="")
        with self.refused(exceptions.InvalidRequest, text="batch tokens cannot be renewed"):
            client.auth.token.renew_self()
        with self.refused(exceptions.InvalidRequest, text="batch tokens cannot be revoked"):
            self.root.auth.token.revoke(client.token)

    def test_a_batch_token_takes_no_settings_that_would_have_to_be_kept(self):
        for settings in ({"num_uses": 1}, {"period": "1h"}, {"explicit_max_ttl": "1h"}):
            with self.refused(exceptions.InvalidRequest):
                self.create(type="batch", policies=["default"], **settings)
        with self.refused(exceptions.InvalidRequest):
            self.create(type="batch", policies=["root"])

    def test_tidying_is_accepted(self):
        self.assertEqual(self.root.auth.token.tidy().status_code, 202)

    def test_garbage_is_no_token(self):
        for garbage in ("not-a-real-token", "hvs.", "hvs." + "A" * 24, "hvb." + "A" * 90, "x" * 4000):
            self.assertFalse(self.client(garbage).is_authenticated())
            with self.refused(exceptions.Forbidden, text="bad token"):
                self.root.auth.token.lookup(garbage)
        self.assertFalse(self.client().is_authenticated())
        with self.refused(exceptions.Forbidden, text="permission denied"):
            self.client("not-a-real-token").auth.token.lookup_self()

    def test_what_is_missing_is_named(self):
        for call in ("renew", "revoke"):
            with self.refused(exceptions.InvalidRequest, text="missing token ID"):
                self.root.write_data(f"auth/token/{call}", data={"token": ""})
        for call in ("lookup-accessor", "renew-accessor", "revoke-accessor"):
            with self.refused(exceptions.InvalidRequest, text="missing accessor"):
                self.root.write_data(f"auth/token/{call}", data={"accessor": ""})

    def test_revoking_what_is_unknown_does_nothing_and_says_so(self):
        self.root.auth.token.revoke(self.create(ttl="1h")["client_token"])
        with self.refused(exceptions.InvalidRequest):
            self.root.auth.token.renew("hvs.unknown")

    def test_logging_out_can_revoke(self):
        client = self.client(self.create(ttl="1h")["client_token"])
        self.assertTrue(client.is_authenticated())
        token = client.token
        client.logout(revoke_token=True)
        self.assertFalse(client.is_authenticated())
        self.assert_dead(token)
        self.assertTrue(self.client(ROOT_TOKEN).is_authenticated())


class Roles(ServiceTest):
    def role(self, **settings):
        name = fresh("role")
        made = self.root.auth.token.create_or_update_role(name, **settings)
        self.assertEqual(made.status_code, 204)
        self.addCleanup(self.client(ROOT_TOKEN).auth.token.delete_role, name)
        return name

    def create(self, role, **settings):
        return self.root.auth.token.create(role_name=role, **settings)["auth"]

    def test_roles_are_written_listed_read_and_deleted(self):
        with self.refused(exceptions.InvalidPath):
            self.root.auth.token.list_roles()
        name = fresh("role")
        made = self.root.auth.token.create_or_update_role(
            name, allowed_policies=["dev"], token_period="1h", path_suffix="pipeline"
        )
        self.assertEqual(made.status_code, 204)
        self.assertEqual(self.root.auth.token.list_roles()["data"]["keys"], [name])
        self.assert_has(
            self.root.auth.token.read_role(name)["data"],
            name=name,
            allowed_policies=["dev"],
            disallowed_policies=[],
            orphan=False,
            renewable=True,
            path_suffix="pipeline",
            token_period=3600,
            token_type="default-service",
        )
        self.assertEqual(self.root.auth.token.delete_role(name).status_code, 204)
        for read in (lambda: self.root.auth.token.read_role(name), self.root.auth.token.list_roles):
            with self.refused(exceptions.InvalidPath):
                read()

    def test_a_role_gives_the_policies_it_allows(self):
        policy = self.policy('path "transit/*" { capabilities = ["read"] }')
        role = self.role(allowed_policies=policy)
        auth = self.create(role, ttl="1h")
        self.assertEqual(auth["policies"], ["default", policy])
        data = self.root.auth.token.lookup(auth["client_token"])["data"]
        self.assert_has(data, role=role, path=f"auth/token/create/{role}")
        with self.refused(exceptions.InvalidRequest):
            self.create(role, policies=["another"])

    def test_a_role_refuses_the_policies_it_disallows(self):
        role = self.role(disallowed_policies=["admin"])
        self.assertEqual(self.create(role, policies=["dev"])["policies"], ["default", "dev"])
        with self.refused(exceptions.InvalidRequest):
            self.create(role, policies=["dev", "admin"])

    def test_a_role_s_settings_are_its_tokens(self):
        role = self.role(
            orphan=True, renewable=False, path_suffix="pipeline", token_explicit_max_ttl="5m"
        )
        auth = self.create(role, policies=["default"], ttl="1h")
        self.assert_has(auth, orphan=True, renewable=False, lease_duration=300)
        path = self.root.auth.token.lookup(auth["client_token"])["data"]["path"]
        self.assertEqual(path, f"auth/token/create/{role}/pipeline")
        role = self.role(token_period="10m")
        self.assertEqual(self.create(role, policies=["default"])["lease_duration"], 600)

    def test_a_role_can_make_batch_tokens(self):
        name = fresh("role")
        data = {"token_type": "batch", "orphan": True, "renewable": False}
        self.root.write_data(f"auth/token/roles/{name}", data=data)
        self.addCleanup(self.root.auth.token.delete_role, name)
        auth = self.create(name, policies=["default"])
        self.assertEqual(auth["token_type"], "batch")

    def test_a_role_can_bind_its_tokens_to_addresses(self):
        for cidr, alive in (("127.0.0.0/8", True), ("192.0.2.0/24", False)):
            name = fresh("role")
            data = {"token_bound_cidrs": [cidr]}
            self.root.write_data(f"auth/token/roles/{name}", data=data)
            self.addCleanup(self.root.auth.token.delete_role, name)
            auth = self.create(name, policies=["default"])
            self.assertIs(self.client(auth["client_token"]).is_authenticated(), alive)
            data = self.root.auth.token.lookup(auth["client_token"])["data"]
            self.assertEqual(data["bound_cidrs"], [cidr])

    def test_an_unknown_role_is_refused(self):
        with self.refused(exceptions.InvalidRequest, text="unknown role"):
            self.create(fresh("nobody"))
