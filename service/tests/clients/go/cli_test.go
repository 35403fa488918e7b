package clients

import (
	"net/http"
	"strings"
	"testing"
)

// The command line sends every value as text, and `null` for `write -f`.

// values is what the command line makes of `name=value` arguments.
func values(arguments ...string) fields {
	data := fields{}
	for _, argument := range arguments {
		name, value, _ := strings.Cut(argument, "=")
		data[name] = value
	}
	return data
}

func TestTheCommandLineMakesKeysWithoutABody(t *testing.T) {
	s := newTransit(t)
	name := fresh("key")
	// `bao write -f MOUNT/keys/NAME`
	s.write("keys/"+name, nil)
	for range 2 {
		s.write("keys/"+name+"/rotate", nil)
	}
	assertEqual(t, whole(t, s.read("keys/"+name), "latest_version"), 3)
}

func TestTheCommandLineGivesTextForNumbersAndTruthValues(t *testing.T) {
	s := newTransit(t)
	name := fresh("key")
	s.write("keys/"+name, values("type=aes256-gcm96", "exportable=true", "auto_rotate_period=24h"))
	for range 3 {
		s.rotate(name)
	}
	s.write("keys/"+name+"/config", values(
		"min_decryption_version=2", "min_encryption_version=3", "deletion_allowed=1",
		"allow_plaintext_backup=t", "auto_rotate_period=7200",
	))
	s.write("keys/"+name+"/trim", values("min_available_version=2"))
	data := s.read("keys/" + name)
	assertEqual(t, whole(t, data, "min_decryption_version"), 2)
	assertEqual(t, whole(t, data, "min_encryption_version"), 3)
	assertEqual(t, whole(t, data, "min_available_version"), 2)
	assertEqual(t, whole(t, data, "auto_rotate_period"), 7200)
	for _, field := range []string{"exportable", "deletion_allowed", "allow_plaintext_backup"} {
		assertEqual(t, data[field], any(true))
	}
	sealed := s.write("encrypt/"+name, values("plaintext="+hello, "key_version=3"))
	assertEqual(t, whole(t, sealed, "key_version"), 3)
	sealed = s.write("rewrap/"+name, values("ciphertext="+text(t, sealed, "ciphertext"), "key_version=0"))
	assertEqual(t, whole(t, sealed, "key_version"), 4)
	assertEqual(t, s.decrypt(name, text(t, sealed, "ciphertext")), hello)
	s.refuses([]int{400}, "", "keys/"+name+"/config", values("min_decryption_version=two"))
}

func TestTheCommandLineSignsHashesAndAuthenticates(t *testing.T) {
	s := newTransit(t)
	name := s.key("rsa-2048")
	options := []string{"input=" + hello, "prehashed=false", "signature_algorithm=pkcs1v15", "key_version=1"}
	signature := text(t, s.write("sign/"+name+"/sha2-512", values(options...)), "signature")
	answer := s.write("verify/"+name+"/sha2-512", values(
		"input="+hello, "signature="+signature, "signature_algorithm=pkcs1v15", "prehashed=0",
	))
	assertEqual(t, answer["valid"], any(true))
	hmac := text(t, s.write("hmac/"+name, values("input="+hello, "key_version=1")), "hmac")
	answer = s.write("verify/"+name, values("input="+hello, "hmac="+hmac))
	assertEqual(t, answer["valid"], any(true))
	sum := text(t, s.write("hash", values("input="+hello, "format=hex")), "sum")
	assertEqual(t, sum, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
	bytes := text(t, s.write("random", values("bytes=20", "format=hex")), "random_bytes")
	assertEqual(t, len(bytes), 40)
	data := s.write("datakey/plaintext/"+s.key("aes256-gcm96"), values("bits=512"))
	assertEqual(t, len(decoded(t, text(t, data, "plaintext"))), 64)
}

func TestTheCommandLineRestoresAndConfigures(t *testing.T) {
	s := newTransit(t)
	name := s.key("aes256-gcm96", "exportable", "true", "allow_plaintext_backup", "true")
	backup := text(t, s.read("backup/"+name), "backup")
	s.write("restore/"+name, values("backup="+backup, "force=true"))
	s.write("config/keys", values("disable_upsert=true"))
	assertEqual(t, s.read("config/keys")["disable_upsert"], any(true))
	s.write("cache-config", values("size=500"))
	assertEqual(t, whole(t, s.read("cache-config"), "size"), 500)
}

func TestTheCommandLineAsksWhoItIsAndHowTheServerIs(t *testing.T) {
	client := newClient(t, root)
	self, err := client.Auth().Token().LookupSelf()
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, text(t, self.Data, "id"), root)
	status, err := client.Sys().SealStatus()
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, status.Sealed, false)
	if _, err = client.Sys().Leader(); err != nil {
		t.Fatal(err)
	}
	health, err := client.Sys().Health()
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, health.Initialized, true)
}

func TestTheCommandLineEnablesAndDisablesAMount(t *testing.T) {
	client := newClient(t, root)
	mount := fresh("enabled")
	// `bao secrets enable -path=MOUNT transit`, with all its zeroes.
	request := client.NewRequest(http.MethodPost, "/v1/sys/mounts/"+mount)
	err := request.SetJSONBody(fields{
		"type": "transit", "description": "", "local": false, "seal_wrap": false,
		"external_entropy_access": false, "options": nil,
		"config": fields{
			"options": nil, "default_lease_ttl": "", "max_lease_ttl": "", "force_no_cache": false,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.RawRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, answer.StatusCode, http.StatusNoContent)
	mounts, err := client.Sys().ListMounts()
	if err != nil {
		t.Fatal(err)
	}
	if listed := mounts[mount+"/"]; listed == nil || listed.Type != "transit" {
		t.Fatal("not listed as what it is: ", listed)
	}
	if err = client.Sys().Unmount(mount); err != nil {
		t.Fatal(err)
	}
}
