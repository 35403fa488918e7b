// Clients written in Go, as their users have them: the API client of OpenBao, the calls that its command line makes, SOPS,
// cosign's key source, and the calls of Terraform's provider.
//
// `cargo test` starts a service for them. By hand, against one that nobody else uses:
//
//	export VAULT_ADDR=http://127.0.0.1:8200 VAULT_TOKEN=...
//	go test -count=1 -v ./...
package clients

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/openbao/openbao/api/v2"
)

var (
	address = os.Getenv("VAULT_ADDR")
	root    = os.Getenv("VAULT_TOKEN")
	made    atomic.Int64
	hello   = encoded([]byte("hello"))
)

// What the protocol answers to some requests that are at fault; the right status is as good.
var atFault = []int{http.StatusBadRequest, http.StatusInternalServerError}

type fields = map[string]any

// fresh makes a name that nobody else uses.
func fresh(word string) string {
	return fmt.Sprintf("%s-%d", word, made.Add(1))
}

func encoded(data []byte) string {
	return base64.StdEncoding.EncodeToString(data)
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// payload is what follows the prefix and the version of a ciphertext, signature or HMAC.
func payload(t *testing.T, text string) []byte {
	t.Helper()
	parts := strings.Split(text, ":")
	if len(parts) != 3 || parts[0] != "vault" {
		t.Fatalf("%q is not of three parts", text)
	}
	return decoded(t, parts[2])
}

// newClient is a client that tries once, as the command line does.
func newClient(t *testing.T, token string) *api.Client {
	t.Helper()
	config := api.DefaultConfig()
	config.Address = address
	client, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(token)
	client.SetMaxRetries(0)
	return client
}

// transit is a mount of the test's own.
type transit struct {
	t      *testing.T
	client *api.Client
	mount  string
}

// newTransit makes a mount, which is gone after the test.
func newTransit(t *testing.T) transit {
	t.Helper()
	client := newClient(t, root)
	mount := fresh("go")
	// The client's own way of enabling has no place for a setting that it does not know.
	_, err := client.Logical().Write("sys/mounts/"+mount, fields{
		"type": "transit", "default_key_type": "aes256-gcm96",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Sys().Unmount(mount) })
	return transit{t, client, mount}
}

func (s transit) at(path string) string {
	return s.mount + "/" + path
}

// write must succeed.
func (s transit) write(path string, data fields) fields {
	s.t.Helper()
	secret, err := s.client.Logical().Write(s.at(path), data)
	if err != nil {
		s.t.Fatal(err)
	}
	if secret == nil {
		return nil
	}
	return secret.Data
}

// read must find something; a name with a query may be given.
func (s transit) read(path string) fields {
	s.t.Helper()
	path, query, _ := strings.Cut(path, "?")
	values := map[string][]string{}
	if name, value, found := strings.Cut(query, "="); found {
		values[name] = []string{value}
	}
	secret, err := s.client.Logical().ReadWithData(s.at(path), values)
	if err != nil || secret == nil {
		s.t.Fatal(path, secret, err)
	}
	return secret.Data
}

// key is the name of a new key.
func (s transit) key(kind string, settings ...any) string {
	s.t.Helper()
	name := fresh("key")
	data := fields{"type": kind}
	for pair := range slices.Chunk(settings, 2) {
		data[pair[0].(string)] = pair[1]
	}
	s.write("keys/"+name, data)
	return name
}

func (s transit) rotate(name string) {
	s.t.Helper()
	s.write("keys/"+name+"/rotate", nil)
}

func (s transit) encrypt(name, plaintext string) string {
	s.t.Helper()
	return text(s.t, s.write("encrypt/"+name, fields{"plaintext": plaintext}), "ciphertext")
}

func (s transit) decrypt(name, ciphertext string) string {
	s.t.Helper()
	return text(s.t, s.write("decrypt/"+name, fields{"ciphertext": ciphertext}), "plaintext")
}

// refuses checks that a write fails with one of these statuses, and this text in its message.
func (s transit) refuses(statuses []int, message, path string, data fields) {
	s.t.Helper()
	_, err := s.client.Logical().Write(s.at(path), data)
	assertRefused(s.t, err, statuses, message)
}

func assertRefused(t *testing.T, err error, statuses []int, message string) {
	t.Helper()
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		t.Fatalf("not refused, but %v", err)
	}
	if !slices.Contains(statuses, answer.StatusCode) || !strings.Contains(err.Error(), message) {
		t.Fatalf("refused with %v, not %q", err, message)
	}
}

func text(t *testing.T, data fields, name string) string {
	t.Helper()
	value, ok := data[name].(string)
	if !ok {
		t.Fatalf("no %s in %v", name, data)
	}
	return value
}

// whole is a number, which must have come as one.
func whole(t *testing.T, data fields, name string) int64 {
	t.Helper()
	number, ok := data[name].(json.Number)
	if !ok {
		t.Fatalf("no number %s in %v", name, data)
	}
	value, err := number.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func inner(t *testing.T, data fields, name string) fields {
	t.Helper()
	value, ok := data[name].(map[string]any)
	if !ok {
		t.Fatalf("no object %s in %v", name, data)
	}
	return value
}

// results are the items of a batch.
func results(t *testing.T, data fields) []fields {
	t.Helper()
	list, ok := data["batch_results"].([]any)
	if !ok {
		t.Fatalf("no results in %v", data)
	}
	items := make([]fields, len(list))
	for at, item := range list {
		items[at] = item.(map[string]any)
	}
	return items
}

func assertEqual[V comparable](t *testing.T, got, want V) {
	t.Helper()
	if got != want {
		t.Fatalf("%v, not %v", got, want)
	}
}
