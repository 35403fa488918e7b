package clients

import (
	"net/http"
	"reflect"
	"testing"
)

// The calls of Terraform's provider for each of its resources other than keys, in its order: create, read back the same, tune or
// update, read back that, delete, find it gone.

// reads checks that an answer has these fields. Numbers are compared as JSON has them.
func reads(t *testing.T, data, expected fields) {
	t.Helper()
	for name, value := range expected {
		got := data[name]
		if number, ok := value.(int); ok {
			assertEqual(t, whole(t, data, name), int64(number))
			continue
		}
		if !reflect.DeepEqual(got, value) {
			t.Fatalf("%s is %#v, not %#v", name, got, value)
		}
	}
}

// data is what reading a path gives.
func (p provider) data(path string) fields {
	p.t.Helper()
	return inner(p.t, p.done("GET", path, nil), "data")
}

// gone checks that reading a path finds nothing any more.
func (p provider) gone(path string, status int) {
	p.t.Helper()
	got, _ := p.call("GET", path, nil)
	assertEqual(p.t, got, status)
}

func TestTerraformMakesTunesAndDisablesAMount(t *testing.T) {
	p, path := configured(t), "sys/mounts/"+fresh("terraform/mount")
	p.done("POST", path, fields{
		"type": "transit", "description": "made", "local": false, "seal_wrap": false,
		"external_entropy_access": false, "options": fields{},
		"config": fields{
			"options": nil, "default_lease_ttl": "3600s", "max_lease_ttl": "7200s", "force_no_cache": false,
			"audit_non_hmac_request_keys": []string{}, "passthrough_request_headers": []string{},
		},
	})
	read := p.data(path)
	reads(t, read, fields{"type": "transit", "description": "made", "local": false, "seal_wrap": false})
	reads(t, inner(t, read, "config"), fields{"default_lease_ttl": 3600, "max_lease_ttl": 7200})
	p.done("POST", path+"/tune", fields{
		"default_lease_ttl": "60s", "max_lease_ttl": "120s", "description": "tuned", "options": fields{},
		"force_no_cache": false,
	})
	reads(t, p.data(path+"/tune"), fields{"default_lease_ttl": 60, "max_lease_ttl": 120, "description": "tuned"})
	p.done("DELETE", path, nil)
	p.gone(path, http.StatusBadRequest)
}

func TestTerraformMakesTunesAndDisablesAnAuthMethod(t *testing.T) {
	p := configured(t)
	for _, kind := range []string{"approle", "cert", "jwt", "kubernetes", "userpass"} {
		name := fresh("terraform-" + kind)
		path, tune := "sys/auth/"+name, "sys/mounts/auth/"+name+"/tune"
		p.done("POST", path, fields{
			"type": kind, "description": "made", "local": false, "seal_wrap": false,
			"external_entropy_access": false, "options": nil,
			"config": fields{"options": nil, "default_lease_ttl": "", "max_lease_ttl": "", "force_no_cache": false},
		})
		p.done("POST", tune, fields{
			"default_lease_ttl": "3600s", "max_lease_ttl": "7200s", "listing_visibility": "unauth",
			"token_type": "default-service", "force_no_cache": false,
		})
		all := inner(t, p.done("GET", "sys/auth", nil), "data")
		reads(t, inner(t, all, name+"/"), fields{"type": kind, "description": "made"})
		reads(t, p.data(path), fields{"type": kind, "description": "made", "local": false})
		reads(t, p.data(tune), fields{
			"default_lease_ttl": 3600, "max_lease_ttl": 7200, "listing_visibility": "unauth",
			"token_type": "default-service",
		})
		p.done("POST", tune, fields{"description": "tuned", "default_lease_ttl": "", "max_lease_ttl": "7300s"})
		reads(t, p.data(tune), fields{"default_lease_ttl": 3600, "max_lease_ttl": 7300, "description": "tuned"})
		p.done("DELETE", path, nil)
		p.gone(path, http.StatusBadRequest)
	}
}

// role is what every role of a method has.
func role(own fields) fields {
	all := fields{
		"token_ttl": 600, "token_max_ttl": 1200, "token_policies": []any{"team"}, "token_bound_cidrs": []any{"10.0.0.0/8"},
		"token_explicit_max_ttl": 0, "token_no_default_policy": true, "token_num_uses": 5, "token_period": 0,
		"token_type": "service",
	}
	for name, value := range own {
		all[name] = value
	}
	return all
}

func TestTerraformMakesUpdatesAndDeletesRoles(t *testing.T) {
	p := configured(t)
	for _, resource := range []struct {
		kind, at string
		own      fields
		shown    []string
	}{
		{"approle", "role/web", fields{
			"bind_secret_id": true, "secret_id_num_uses": 3, "secret_id_ttl": 60, "secret_id_bound_cidrs": []any{"10.0.0.0/8"},
		}, nil},
		{"jwt", "role/web", fields{
			"role_type": "jwt", "user_claim": "sub", "bound_audiences": []any{"sealring"}, "bound_subject": "s",
			"bound_claims": fields{"org": "ops"}, "bound_claims_type": "string", "clock_skew_leeway": 10,
			"expiration_leeway": 20, "not_before_leeway": 30,
		}, []string{"user_claim", "bound_audiences", "bound_subject", "clock_skew_leeway", "role_type"}},
		{"kubernetes", "role/web", fields{
			"bound_service_account_names": []any{"web"}, "bound_service_account_namespaces": []any{"shop"}, "audience": "sealring",
		}, nil},
	} {
		name := fresh("terraform-roles")
		p.done("POST", "sys/auth/"+name, fields{"type": resource.kind})
		path := "auth/" + name + "/" + resource.at
		written := role(resource.own)
		p.done("PUT", path, written)
		expected := role(resource.own)
		if resource.shown != nil {
			expected = role(nil)
			for _, name := range resource.shown {
				expected[name] = resource.own[name]
			}
		}
		reads(t, p.data(path), expected)
		written["token_ttl"], expected["token_ttl"] = 300, 300
		written["token_policies"], expected["token_policies"] = []any{"other", "team"}, []any{"other", "team"}
		p.done("PUT", path, written)
		reads(t, p.data(path), expected)
		p.done("DELETE", path, nil)
		p.gone(path, http.StatusNotFound)
		p.done("DELETE", "sys/auth/"+name, nil)
	}
}

func TestTerraformMakesUpdatesAndDeletesAUserAndATokenRole(t *testing.T) {
	p, name := configured(t), fresh("terraform-users")
	p.done("POST", "sys/auth/"+name, fields{"type": "userpass"})
	user := "auth/" + name + "/users/ada"
	p.done("PUT", user, fields{"password": "correct horse", "token_policies": []string{"team"}, "token_ttl": 60})
	reads(t, p.data(user), fields{"token_policies": []any{"team"}, "token_ttl": 60})
	p.done("DELETE", user, nil)
	p.gone(user, http.StatusNotFound)
	p.done("DELETE", "sys/auth/"+name, nil)

	path := "auth/token/roles/" + fresh("terraform")
	written := fields{
		"allowed_policies": []any{"team"}, "disallowed_policies": []any{"other"}, "orphan": true, "renewable": true,
		"path_suffix": "suffix", "token_period": 86400, "token_explicit_max_ttl": 115200, "token_type": "default-service",
	}
	p.done("POST", path, written)
	reads(t, p.data(path), written)
	written["orphan"] = false
	p.done("POST", path, written)
	reads(t, p.data(path), written)
	p.done("DELETE", path, nil)
	p.gone(path, http.StatusNotFound)
}

func TestTerraformMakesASecretIdOfARole(t *testing.T) {
	p, name := configured(t), fresh("terraform-approle")
	p.done("POST", "sys/auth/"+name, fields{"type": "approle"})
	role := "auth/" + name + "/role/web"
	p.done("PUT", role, fields{"bind_secret_id": true, "token_policies": []string{"team"}})
	p.done("PUT", role+"/role-id", fields{"role_id": "chosen"})
	reads(t, p.data(role+"/role-id"), fields{"role_id": "chosen"})
	made := inner(t, p.done("PUT", role+"/secret-id", fields{"metadata": `{"env":"test"}`, "cidr_list": ""}), "data")
	accessor := fields{"secret_id_accessor": text(t, made, "secret_id_accessor")}
	found := inner(t, p.done("PUT", role+"/secret-id-accessor/lookup", accessor), "data")
	reads(t, found, fields{"metadata": fields{"env": "test"}})
	login := inner(t, p.done("PUT", "auth/"+name+"/login", fields{
		"role_id": "chosen\n", "secret_id": text(t, made, "secret_id") + "\n",
	}), "auth")
	if text(t, login, "client_token") == "" {
		t.Fatal("no token")
	}
	p.done("PUT", role+"/secret-id-accessor/destroy", accessor)
	status, _ := p.call("PUT", role+"/secret-id-accessor/lookup", accessor)
	assertEqual(t, status, http.StatusNotFound)
	p.done("DELETE", "sys/auth/"+name, nil)
}

func TestTerraformMakesUpdatesAndDeletesAPolicy(t *testing.T) {
	p, path := configured(t), "sys/policies/acl/"+fresh("terraform")
	for _, rules := range []string{
		`path "transit/encrypt/a" { capabilities = ["update"] }`,
		`path "transit/decrypt/a" { capabilities = ["update"] }` + "\n",
	} {
		p.done("PUT", path, fields{"policy": rules})
		reads(t, p.data(path), fields{"policy": rules})
	}
	p.done("DELETE", path, nil)
	p.gone(path, http.StatusNotFound)
}

func TestTerraformMakesUpdatesAndDeletesAQuota(t *testing.T) {
	s, p := newTransit(t), configured(t)
	path := "sys/quotas/rate-limit/" + fresh("terraform")
	written := fields{"path": s.mount + "/", "rate": 1000, "interval": 2, "block_interval": 0, "role": ""}
	p.done("POST", path, written)
	expected := fields{"inheritable": true, "type": "rate-limit"}
	for name, value := range written {
		expected[name] = value
	}
	reads(t, p.data(path), expected)
	written["rate"], expected["rate"] = 2000, 2000
	written["inheritable"], expected["inheritable"] = false, false
	p.done("PUT", path, written)
	reads(t, p.data(path), expected)
	p.done("DELETE", path, nil)
	p.gone(path, http.StatusNotFound)
}

func TestTerraformConfiguresMethods(t *testing.T) {
	p, name := configured(t), fresh("terraform-kubernetes")
	p.done("POST", "sys/auth/"+name, fields{"type": "kubernetes"})
	path := "auth/" + name + "/config"
	p.done("PUT", path, fields{
		"kubernetes_host": "https://127.0.0.1:1", "kubernetes_ca_cert": "", "token_reviewer_jwt": "reviewer\n",
		"issuer": "api", "disable_iss_validation": true, "disable_local_ca_jwt": false, "pem_keys": []string{},
	})
	reads(t, p.data(path), fields{
		"kubernetes_host": "https://127.0.0.1:1", "issuer": "api", "disable_iss_validation": true,
		"disable_local_ca_jwt": false,
	})
	p.done("DELETE", "sys/auth/"+name, nil)
}
