package clients

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/logging"
	"github.com/sirupsen/logrus"
)

func init() {
	logging.SetLevel(logrus.PanicLevel)
	for _, logger := range logging.Loggers {
		logger.SetOutput(io.Discard)
	}
}

// The data key of a file, as SOPS makes it.
var dataKey = bytes.Repeat([]byte{7}, 32)

func masterKey(t *testing.T, mount, name string) *hcvault.MasterKey {
	t.Helper()
	key, err := hcvault.NewMasterKeyFromURI(address + "/v1/" + mount + "/keys/" + name)
	if err != nil {
		t.Fatal(err)
	}
	hcvault.Token(root).ApplyToMasterKey(key)
	return key
}

func TestSopsSealsAndOpensADataKey(t *testing.T) {
	s := newTransit(t)
	key := masterKey(t, s.mount, s.key("aes256-gcm96"))
	if err := key.Encrypt(dataKey); err != nil {
		t.Fatal(err)
	}
	assertEqual(t, strings.HasPrefix(string(key.EncryptedDataKey()), "vault:v1:"), true)
	opened, err := key.Decrypt()
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, string(opened), string(dataKey))
	before := key.EncryptedKey
	if err = key.EncryptIfNeeded(dataKey); err != nil {
		t.Fatal(err)
	}
	assertEqual(t, key.EncryptedKey, before)
}

func TestSopsOpensWhatOthersSealedAndTheOtherWay(t *testing.T) {
	s := newTransit(t)
	name := s.key("aes256-gcm96")
	key := masterKey(t, s.mount, name)
	key.SetEncryptedDataKey([]byte(s.encrypt(name, encoded(dataKey))))
	opened, err := key.DecryptContext(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, string(opened), string(dataKey))
	if err = key.EncryptContext(context.Background(), dataKey); err != nil {
		t.Fatal(err)
	}
	assertEqual(t, s.decrypt(name, key.EncryptedKey), encoded(dataKey))
}

func TestSopsOpensAcrossARotation(t *testing.T) {
	s := newTransit(t)
	name := s.key("aes256-gcm96")
	key := masterKey(t, s.mount, name)
	if err := key.Encrypt(dataKey); err != nil {
		t.Fatal(err)
	}
	s.rotate(name)
	if _, err := key.Decrypt(); err != nil {
		t.Fatal(err)
	}
	s.write("keys/"+name+"/config", fields{"min_decryption_version": 2})
	if _, err := key.Decrypt(); err == nil || !strings.Contains(err.Error(), "too old") {
		t.Fatal("opened by a version that is too old:", err)
	}
}

func TestSopsNeedsRotationAfterHalfAYear(t *testing.T) {
	s := newTransit(t)
	key := masterKey(t, s.mount, s.key("aes256-gcm96"))
	assertEqual(t, key.NeedsRotation(), false)
	key.CreationDate = time.Now().Add(-7 * 30 * 24 * time.Hour)
	assertEqual(t, key.NeedsRotation(), true)
}

func TestSopsFindsAKeyOnAMountWithSlashes(t *testing.T) {
	client := newClient(t, root)
	mount := fresh("some") + "/engine/transit"
	if _, err := client.Logical().Write("sys/mounts/"+mount, fields{"type": "transit"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Sys().Unmount(mount) })
	s := transit{t, client, mount}
	s.write("keys/sops", nil)
	key := masterKey(t, mount, "sops")
	assertEqual(t, key.ToString(), address+"/v1/"+mount+"/keys/sops")
	if err := key.Encrypt(dataKey); err != nil {
		t.Fatal(err)
	}
	opened, err := key.Decrypt()
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, string(opened), string(dataKey))
}

func TestSopsIsRefusedWithAnotherKeyOrToken(t *testing.T) {
	s := newTransit(t)
	key, other := masterKey(t, s.mount, s.key("aes256-gcm96")), masterKey(t, s.mount, s.key("aes256-gcm96"))
	if err := key.Encrypt(dataKey); err != nil {
		t.Fatal(err)
	}
	other.SetEncryptedDataKey(key.EncryptedDataKey())
	_, err := other.Decrypt()
	if err == nil || !strings.Contains(err.Error(), "message authentication failed") {
		t.Fatal("opened with another key:", err)
	}
	hcvault.Token("none").ApplyToMasterKey(key)
	if _, err = key.Decrypt(); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Fatal("opened with an unknown token:", err)
	}
}
