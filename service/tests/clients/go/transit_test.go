package clients

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"hash"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

var hashes = map[string]func() hash.Hash{
	"sha2-224": sha256.New224,
	"sha2-256": sha256.New,
	"sha2-384": sha512.New384,
	"sha2-512": sha512.New,
	"sha3-224": func() hash.Hash { return sha3.New224() },
	"sha3-256": func() hash.Hash { return sha3.New256() },
	"sha3-384": func() hash.Hash { return sha3.New384() },
	"sha3-512": func() hash.Hash { return sha3.New512() },
}

var (
	symmetric = []string{"aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"}
	signing   = []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048", "rsa-3072"}
)

func TestEveryTypeIsMadeAndRead(t *testing.T) {
	s := newTransit(t)
	for _, kind := range slices.Concat(symmetric, signing) {
		name := s.key(kind)
		data := s.read("keys/" + name)
		assertEqual(t, text(t, data, "type"), kind)
		assertEqual(t, text(t, data, "name"), name)
		assertEqual(t, whole(t, data, "latest_version"), 1)
		assertEqual(t, len(inner(t, data, "keys")), 1)
		assertEqual(t, data["supports_signing"] == true, slices.Contains(signing, kind))
	}
	data := s.read("keys/" + s.key("hmac", "key_size", 32))
	assertEqual(t, whole(t, data, "key_size"), 32)
}

func TestKeysAreListedAndDeleted(t *testing.T) {
	s := newTransit(t)
	listed, err := s.client.Logical().List(s.at("keys"))
	if listed != nil || err != nil {
		t.Fatal("an empty list is nothing, not ", listed, err)
	}
	name := s.key("aes256-gcm96")
	listed, err = s.client.Logical().List(s.at("keys"))
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, listed.Data["keys"].([]any)[0].(string), name)
	_, err = s.client.Logical().Delete(s.at("keys/" + name))
	assertRefused(t, err, []int{400}, "deletion is not allowed")
	s.write("keys/"+name+"/config", fields{"deletion_allowed": true})
	if _, err = s.client.Logical().Delete(s.at("keys/" + name)); err != nil {
		t.Fatal(err)
	}
	gone, err := s.client.Logical().Read(s.at("keys/" + name))
	if gone != nil || err != nil {
		t.Fatal("what is gone is nothing, not ", gone, err)
	}
}

func TestSettingsRotationAndTrimming(t *testing.T) {
	s := newTransit(t)
	name := s.key("aes256-gcm96", "auto_rotate_period", "24h")
	assertEqual(t, whole(t, s.read("keys/"+name), "auto_rotate_period"), 86400)
	for range 10 {
		s.rotate(name)
	}
	s.write("keys/"+name+"/config", fields{"min_decryption_version": 3, "min_encryption_version": 9})
	s.write("keys/"+name+"/trim", fields{"min_available_version": 2})
	data := s.read("keys/" + name)
	for field, version := range map[string]int64{
		"latest_version": 11, "min_available_version": 2, "min_decryption_version": 3,
		"min_encryption_version": 9,
	} {
		assertEqual(t, whole(t, data, field), version)
	}
	assertEqual(t, len(inner(t, data, "keys")), 9)
	s.refuses([]int{400}, "latest key version is 11", "keys/"+name+"/config", fields{
		"min_decryption_version": 12,
	})
	s.refuses([]int{400}, "decremented", "keys/"+name+"/trim", fields{"min_available_version": 1})
}

func TestASoftDeletedKeyIsOutOfUse(t *testing.T) {
	s := newTransit(t)
	name := s.key("aes256-gcm96")
	if _, err := s.client.Logical().Delete(s.at("keys/" + name + "/soft-delete")); err != nil {
		t.Fatal(err)
	}
	assertEqual(t, s.read("keys/" + name)["soft_deleted"], any(true))
	s.refuses(atFault, "soft-deleted", "encrypt/"+name, fields{"plaintext": hello})
	s.write("keys/"+name+"/soft-delete-restore", nil)
	s.encrypt(name, hello)
}

func TestDataIsEncryptedDecryptedAndRewrapped(t *testing.T) {
	s := newTransit(t)
	for _, kind := range append(slices.Clone(symmetric), "rsa-2048") {
		name := s.key(kind)
		old := s.encrypt(name, hello)
		assertEqual(t, s.decrypt(name, old), hello)
		s.rotate(name)
		renewed := text(t, s.write("rewrap/"+name, fields{"ciphertext": old}), "ciphertext")
		assertEqual(t, strings.HasPrefix(renewed, "vault:v2:"), true)
		assertEqual(t, s.decrypt(name, renewed), hello)
		s.write("keys/"+name+"/config", fields{"min_decryption_version": 2})
		s.refuses([]int{400}, "too old", "decrypt/"+name, fields{"ciphertext": old})
	}
}

func TestContextAndAssociatedDataAreBound(t *testing.T) {
	s := newTransit(t)
	context := encoded([]byte("context"))
	name := s.key("aes256-gcm96", "derived", true, "convergent_encryption", true)
	data := fields{"plaintext": hello, "context": context}
	first := text(t, s.write("encrypt/"+name, data), "ciphertext")
	assertEqual(t, text(t, s.write("encrypt/"+name, data), "ciphertext"), first)
	s.refuses([]int{400}, "missing 'context'", "decrypt/"+name, fields{"ciphertext": first})
	name = s.key("aes256-gcm96")
	sealed := s.write("encrypt/"+name, fields{"plaintext": hello, "associated_data": context})
	s.refuses([]int{400}, "message authentication failed", "decrypt/"+name, fields{
		"ciphertext": sealed["ciphertext"],
	})
}

func TestBatches(t *testing.T) {
	s := newTransit(t)
	name := s.key("aes256-gcm96")
	items := []fields{{"plaintext": hello, "reference": "a"}, {"plaintext": hello, "reference": "b"}}
	sealed := results(t, s.write("encrypt/"+name, fields{"batch_input": items}))
	assertEqual(t, text(t, sealed[1], "reference"), "b")
	for _, path := range []string{"rewrap/", "decrypt/"} {
		items = []fields{{"ciphertext": sealed[0]["ciphertext"]}, {"ciphertext": "no"}}
		data := fields{"batch_input": items, "partial_failure_response_code": 200}
		answers := results(t, s.write(path+name, data))
		assertEqual(t, answers[0]["error"], nil)
		assertEqual(t, text(t, answers[1], "error") != "", true)
	}
	items = []fields{{"input": hello}}
	authenticated := results(t, s.write("hmac/"+name, fields{"batch_input": items}))
	items[0]["hmac"] = authenticated[0]["hmac"]
	verified := results(t, s.write("verify/"+name, fields{"batch_input": items}))
	assertEqual(t, verified[0]["valid"], any(true))
}

func TestDataKeysAndRandomBytes(t *testing.T) {
	s := newTransit(t)
	name := s.key("aes256-gcm96")
	for _, bits := range []int{128, 256, 512} {
		data := s.write("datakey/plaintext/"+name, fields{"bits": bits})
		plaintext := text(t, data, "plaintext")
		assertEqual(t, len(decoded(t, plaintext)), bits/8)
		assertEqual(t, s.decrypt(name, text(t, data, "ciphertext")), plaintext)
	}
	if data := s.write("datakey/wrapped/"+name, nil); data["plaintext"] != nil {
		t.Fatal("the text of a wrapped key")
	}
	for path, size := range map[string]int{"random": 32, "random/20": 20, "random/platform/40": 40} {
		bytes := text(t, s.write(path, nil), "random_bytes")
		assertEqual(t, len(decoded(t, bytes)), size)
	}
	s.refuses([]int{400}, "should be less than", "random", fields{"bytes": 200_000})
}

func TestHashesAndHmacs(t *testing.T) {
	s := newTransit(t)
	name := s.key("aes256-gcm96", "exportable", true)
	keys := inner(t, s.read("export/hmac-key/"+name), "keys")
	secret := decoded(t, text(t, keys, "1"))
	for algorithm, function := range hashes {
		sum := function()
		sum.Write([]byte("hello"))
		answer := s.write("hash/"+algorithm, fields{"input": hello, "format": "base64"})
		assertEqual(t, text(t, answer, "sum"), encoded(sum.Sum(nil)))
		mac := hmac.New(function, secret)
		mac.Write([]byte("hello"))
		tag := text(t, s.write("hmac/"+name+"/"+algorithm, fields{"input": hello}), "hmac")
		assertEqual(t, tag, "vault:v1:"+encoded(mac.Sum(nil)))
		answer = s.write("verify/"+name+"/"+algorithm, fields{"input": hello, "hmac": tag})
		assertEqual(t, answer["valid"], any(true))
	}
	s.refuses([]int{400}, "unsupported", "hash", fields{"input": hello, "algorithm": "md5"})
}

// publicKey is the public half of a key's first version, as the standard library has it.
func (s transit) publicKey(name string) crypto.PublicKey {
	s.t.Helper()
	version := inner(s.t, inner(s.t, s.read("keys/"+name), "keys"), "1")
	public := text(s.t, version, "public_key")
	if version["name"] == "ed25519" {
		return ed25519.PublicKey(decoded(s.t, public))
	}
	block, _ := pem.Decode([]byte(public))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

func believed(public crypto.PublicKey, signature []byte) bool {
	digest := sha256.Sum256([]byte("hello"))
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, nil) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte("hello"), signature)
	default:
		return false
	}
}

func TestTheStandardLibraryBelievesSignatures(t *testing.T) {
	s := newTransit(t)
	for _, kind := range signing {
		name := s.key(kind)
		signature := text(t, s.write("sign/"+name, fields{"input": hello}), "signature")
		if !believed(s.publicKey(name), payload(t, signature)) {
			t.Fatal(kind)
		}
		data := fields{"input": hello, "signature": signature}
		assertEqual(t, s.write("verify/"+name, data)["valid"], any(true))
		data["input"] = encoded([]byte("other"))
		assertEqual(t, s.write("verify/"+name, data)["valid"], any(false))
	}
	s.refuses([]int{400}, "does not support signing", "sign/"+s.key("aes256-gcm96"), fields{
		"input": hello,
	})
}

func TestSignaturesInBatchesAndByVersion(t *testing.T) {
	s := newTransit(t)
	name := s.key("ed25519")
	s.rotate(name)
	items := []fields{{"input": hello}, {"input": "!"}}
	data := fields{"batch_input": items, "key_version": 1}
	signed := results(t, s.write("sign/"+name, data))
	assertEqual(t, strings.HasPrefix(text(t, signed[0], "signature"), "vault:v1:"), true)
	assertEqual(t, text(t, signed[1], "error") != "", true)
	items = []fields{{"input": hello, "signature": signed[0]["signature"]}}
	verified := results(t, s.write("verify/"+name, fields{"batch_input": items}))
	assertEqual(t, verified[0]["valid"], any(true))
}

func TestADerivedKeySignsForEachContext(t *testing.T) {
	s := newTransit(t)
	name, context := s.key("ed25519", "derived", true), encoded([]byte("context"))
	data := s.write("sign/"+name, fields{"input": hello, "context": context})
	public := ed25519.PublicKey(decoded(t, text(t, data, "public_key")))
	if !believed(public, payload(t, text(t, data, "signature"))) {
		t.Fatal("not believed")
	}
	keys := inner(t, s.read("keys/"+name+"?context="+context), "keys")
	assertEqual(t, text(t, inner(t, keys, "1"), "public_key"), encoded(public))
}

func TestKeysAreExported(t *testing.T) {
	s := newTransit(t)
	for _, kind := range signing {
		name := s.key(kind, "exportable", true)
		keys := inner(t, s.read("export/signing-key/"+name+"/latest?format=der"), "keys")
		key, err := x509.ParsePKCS8PrivateKey(decoded(t, text(t, keys, "1")))
		if err != nil {
			t.Fatal(kind, err)
		}
		public := key.(crypto.Signer).Public().(interface{ Equal(crypto.PublicKey) bool })
		assertEqual(t, public.Equal(s.publicKey(name)), true)
	}
	name := s.key("aes256-gcm96")
	_, err := s.client.Logical().Read(s.at("export/encryption-key/" + name))
	assertRefused(t, err, []int{400}, "not exportable")
}

func TestAKeyIsBackedUpAndRestored(t *testing.T) {
	s := newTransit(t)
	for _, kind := range slices.Concat(symmetric, []string{"ecdsa-p256", "ed25519", "rsa-2048"}) {
		name, copied := s.key(kind, "exportable", true, "allow_plaintext_backup", true), fresh("copy")
		backup := s.read("backup/" + name)["backup"]
		s.write("restore/"+copied, fields{"backup": backup})
		input := fields{"input": hello}
		assertEqual(t, s.write("hmac/"+name, input)["hmac"], s.write("hmac/"+copied, input)["hmac"])
		s.refuses([]int{500}, "already exists", "restore", fields{"backup": backup})
	}
}

// padded wraps key material by RFC 5649.
func padded(t *testing.T, kek, material []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	size := len(material)
	material = append(slices.Clone(material), make([]byte, (8-size%8)%8)...)
	a := []byte{0xa6, 0x59, 0x59, 0xa6, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}
	n := len(material) / 8
	for step := range 6 * n {
		at := material[step%n*8:][:8]
		whole := append(slices.Clone(a), at...)
		block.Encrypt(whole, whole)
		copy(a, whole)
		for i, count := 7, step+1; count > 0; i, count = i-1, count>>8 {
			a[i] ^= byte(count)
		}
		copy(at, whole[8:])
	}
	return append(a, material...)
}

// wrapped is key material as the protocol wants it for an import.
func (s transit) wrapped(material []byte) string {
	s.t.Helper()
	block, _ := pem.Decode([]byte(text(s.t, s.read("wrapping_key"), "public_key")))
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	ephemeral := make([]byte, 32)
	_, _ = rand.Read(ephemeral)
	outer, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), ephemeral, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return encoded(append(outer, padded(s.t, ephemeral, material)...))
}

func TestKeysAreImported(t *testing.T) {
	s := newTransit(t)
	material := make([]byte, 32)
	_, _ = rand.Read(material)
	name := fresh("imported")
	s.write("keys/"+name+"/import", fields{"ciphertext": s.wrapped(material), "exportable": true})
	s.write("keys/"+name+"/import_version", fields{"ciphertext": s.wrapped(material)})
	keys := inner(t, s.read("export/encryption-key/"+name), "keys")
	assertEqual(t, text(t, keys, "1"), encoded(material))
	assertEqual(t, text(t, keys, "2"), encoded(material))
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	name = fresh("imported")
	s.write("keys/"+name+"/import", fields{"ciphertext": s.wrapped(der), "type": "ecdsa-p384"})
	assertEqual(t, private.PublicKey.Equal(s.publicKey(name)), true)
	s.refuses(atFault, "existing key", "keys/"+name+"/import", fields{"ciphertext": s.wrapped(der)})
}

func TestAKeyIsSentWrappedUnderAnother(t *testing.T) {
	s := newTransit(t)
	to, from := s.key("rsa-2048", "exportable", true), s.key("aes256-gcm96", "exportable", true)
	blob := decoded(t, text(t, inner(t, s.read("byok-export/"+to+"/"+from), "keys"), "1"))
	keys := inner(t, s.read("export/encryption-key/"+to+"?format=der"), "keys")
	private, err := x509.ParsePKCS8PrivateKey(decoded(t, text(t, keys, "1")))
	if err != nil {
		t.Fatal(err)
	}
	ephemeral, err := rsa.DecryptOAEP(sha256.New(), nil, private.(*rsa.PrivateKey), blob[:256], nil)
	if err != nil {
		t.Fatal(err)
	}
	keys = inner(t, s.read("export/encryption-key/"+from), "keys")
	material := decoded(t, text(t, keys, "1"))
	assertEqual(t, encoded(padded(t, ephemeral, material)), encoded(blob[256:]))
}

func TestTwoSidesAgreeOnAKey(t *testing.T) {
	s := newTransit(t)
	base, name := s.key("ecdsa-p256"), fresh("agreed")
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(own.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	s.write("derive-key/"+name, fields{
		"key_derivation_algorithm": "ecdh",
		"base_key_name":            base,
		"peer_public_key":          string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	})
	peer, err := s.publicKey(base).(*ecdsa.PublicKey).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	shared, err := own.ECDH(peer)
	if err != nil {
		t.Fatal(err)
	}
	key, err := hkdf.Key(sha256.New, shared, nil, "", 32)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := aes.NewCipher(key)
	gcm, _ := cipher.NewGCM(block)
	sealed := payload(t, s.encrypt(name, hello))
	opened, err := gcm.Open(nil, sealed[:12], sealed[12:], nil)
	assertEqual(t, string(opened), "hello")
	assertEqual(t, err, nil)
}

func TestAKeyAsksForACertificateAndKeepsIt(t *testing.T) {
	s := newTransit(t)
	name := s.key("ecdsa-p256")
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "example"}}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, signer)
	if err != nil {
		t.Fatal(err)
	}
	request := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	block, _ := pem.Decode([]byte(text(t, s.write("keys/"+name+"/csr", fields{"csr": request}), "csr")))
	asked, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || asked.CheckSignature() != nil {
		t.Fatal("not a request for a certificate", err)
	}
	assertEqual(t, asked.Subject.CommonName, "example")
	leaf := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               asked.Subject,
		NotBefore:             time.Now(),
		NotAfter:              time.Now().Add(time.Hour),
		BasicConstraintsValid: true,
	}
	der, err = x509.CreateCertificate(rand.Reader, leaf, leaf, asked.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	chain := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	s.write("keys/"+name+"/set-certificate", fields{"certificate_chain": chain})
	kept := text(t, inner(t, inner(t, s.read("keys/"+name), "keys"), "1"), "certificate_chain")
	assertEqual(t, strings.TrimSpace(kept), strings.TrimSpace(chain))
}

func TestTheMountIsConfigured(t *testing.T) {
	s := newTransit(t)
	s.write("config/keys", fields{"disable_upsert": false})
	s.encrypt(fresh("upserted"), hello)
	s.write("config/keys", fields{"disable_upsert": true})
	assertEqual(t, s.read("config/keys")["disable_upsert"], any(true))
	s.refuses([]int{400}, "encryption key not found", "encrypt/"+fresh("none"), fields{
		"plaintext": hello,
	})
	s.write("cache-config", fields{"size": 123})
	assertEqual(t, whole(t, s.read("cache-config"), "size"), 123)
}

func TestErrorsHaveTheirStatus(t *testing.T) {
	s := newTransit(t)
	name := s.key("aes256-gcm96")
	stranger := newClient(t, "none").Logical()
	_, err := stranger.Read(s.at("keys/" + name))
	assertRefused(t, err, []int{403}, "permission denied")
	_, err = s.client.Logical().Write(fresh("nowhere")+"/keys/x", nil)
	assertRefused(t, err, []int{404}, "no handler for route")
	s.refuses([]int{400}, "missing plaintext to encrypt", "encrypt/"+name, nil)
	s.refuses([]int{400}, "no prefix", "decrypt/"+name, fields{"ciphertext": "x"})
	s.refuses([]int{400}, "unknown key type", "keys/"+fresh("key"), fields{"type": "kitty"})
	_, err = s.client.Logical().Delete(s.at("encrypt/" + name))
	assertRefused(t, err, []int{405}, "unsupported operation")
}
