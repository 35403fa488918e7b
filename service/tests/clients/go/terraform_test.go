package clients

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"testing"
)

// The calls of Terraform's provider for a key of a transit mount, in its order.

// provider is a client of plain HTTP with a token.
type provider struct {
	t     *testing.T
	token string
}

func (p provider) call(method, path string, body any) (int, fields) {
	p.t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	request, err := http.NewRequest(method, address+"/v1/"+path, bytes.NewReader(sent))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("X-Vault-Token", p.token)
	request.Header.Set("X-Vault-Request", "true")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	decoder := json.NewDecoder(answer.Body)
	decoder.UseNumber()
	var data fields
	if answer.StatusCode != http.StatusNoContent {
		if err = decoder.Decode(&data); err != nil {
			p.t.Fatal(err)
		}
	}
	return answer.StatusCode, data
}

// done is a call that must succeed.
func (p provider) done(method, path string, body any) fields {
	p.t.Helper()
	status, data := p.call(method, path, body)
	if status != http.StatusOK && status != http.StatusNoContent {
		p.t.Fatal(method, path, status, data)
	}
	return data
}

// configured is a provider that has logged in and looked around.
func configured(t *testing.T) provider {
	t.Helper()
	parent := provider{t, root}
	self := inner(t, parent.done("GET", "auth/token/lookup-self", nil), "data")
	assertEqual(t, text(t, self, "id"), root)
	child := inner(t, parent.done("POST", "auth/token/create", fields{
		"display_name": "terraform", "ttl": "1200s", "explicit_max_ttl": "1200s", "renewable": false,
	}), "auth")
	if len(child["policies"].([]any)) == 0 {
		t.Fatal("a token without policies")
	}
	status := parent.done("GET", "sys/seal-status", nil)
	version := text(t, status, "version")
	if !regexp.MustCompile(`^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`).MatchString(version) {
		t.Fatalf("%q is not a version", version)
	}
	return provider{t, text(t, child, "client_token")}
}

// numbers are what the provider reads of a key; it crashes where one is missing.
var numbers = []string{
	"latest_version", "min_available_version", "min_decryption_version", "min_encryption_version",
	"auto_rotate_period",
}

func TestTerraformMakesReadsUpdatesAndDeletesAKey(t *testing.T) {
	s, p := newTransit(t), configured(t)
	for _, kind := range []string{"aes256-gcm96", "chacha20-poly1305", "ed25519", "ecdsa-p256", "rsa-2048"} {
		path := s.at("keys/" + fresh("terraform"))
		p.done("PUT", path, fields{
			"convergent_encryption": false, "derived": false, "type": kind,
			"auto_rotate_period": 0, "key_size": 0,
		})
		config := fields{
			"min_decryption_version": 1, "deletion_allowed": true, "exportable": true,
			"allow_plaintext_backup": true, "auto_rotate_period": 3600,
			// The provider's own spelling, which must be tolerated.
			"min_encryption_versoin": 0,
		}
		p.done("PUT", path+"/config", config)
		data := inner(t, p.done("GET", path, nil), "data")
		for _, name := range numbers {
			whole(t, data, name)
		}
		assertEqual(t, text(t, data, "type"), kind)
		assertEqual(t, whole(t, data, "auto_rotate_period"), 3600)
		assertEqual(t, data["deletion_allowed"], any(true))
		config["min_encryption_version"] = 1
		p.done("PUT", path+"/config", config)
		data = inner(t, p.done("GET", path, nil), "data")
		assertEqual(t, whole(t, data, "min_encryption_version"), 1)
		p.done("DELETE", path, nil)
		status, answer := p.call("GET", path, nil)
		assertEqual(t, status, http.StatusNotFound)
		assertEqual(t, len(answer["errors"].([]any)), 0)
	}
}

func TestTerraformMakesAKeyForHmac(t *testing.T) {
	s, p := newTransit(t), configured(t)
	path := s.at("keys/" + fresh("terraform"))
	p.done("PUT", path, fields{"type": "hmac", "key_size": 64, "auto_rotate_period": 0})
	data := inner(t, p.done("GET", path, nil), "data")
	assertEqual(t, whole(t, data, "key_size"), 64)
}

func TestTerraformReadsItsDataSources(t *testing.T) {
	s, p := newTransit(t), configured(t)
	name := s.key("aes256-gcm96")
	sealed := inner(t, p.done("PUT", s.at("encrypt/"+name), fields{
		"plaintext": hello, "context": "", "key_version": 0,
	}), "data")
	opened := inner(t, p.done("PUT", s.at("decrypt/"+name), fields{
		"ciphertext": sealed["ciphertext"], "context": "",
	}), "data")
	assertEqual(t, text(t, opened, "plaintext"), hello)
	signer := s.key("ecdsa-p256")
	signature := inner(t, p.done("PUT", s.at("sign/"+signer), fields{
		"input": hello, "key_version": 0, "prehashed": false, "context": "",
	}), "data")
	valid := inner(t, p.done("PUT", s.at("verify/"+signer), fields{
		"input": hello, "signature": signature["signature"], "prehashed": false,
	}), "data")
	assertEqual(t, valid["valid"], any(true))
}

func TestTerraformConfiguresTheCacheAndReloads(t *testing.T) {
	s, p := newTransit(t), configured(t)
	p.done("PUT", s.at("cache-config"), fields{"size": 600})
	p.done("PUT", "sys/plugins/reload/backend", fields{"mounts": []string{s.mount + "/"}})
	data := inner(t, p.done("GET", s.at("cache-config"), nil), "data")
	assertEqual(t, whole(t, data, "size"), 600)
}
