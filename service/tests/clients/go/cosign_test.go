package clients

import (
	"bytes"
	"context"
	"crypto"
	"testing"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms/hashivault"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

var artefact = []byte("an image's manifest")

// loaded is a key as cosign loads it from `hashivault://NAME`.
func loaded(s transit, name string, function crypto.Hash, more ...signature.RPCOption) *hashivault.SignerVerifier {
	s.t.Helper()
	at := options.WithRPCAuthOpts(options.RPCAuth{Address: address, Path: s.mount, Token: root})
	key, err := hashivault.LoadSignerVerifier("hashivault://"+name, function, append(more, at)...)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

// created is the same for a key that cosign makes.
func created(s transit, kind string, function crypto.Hash) (*hashivault.SignerVerifier, crypto.PublicKey) {
	s.t.Helper()
	key := loaded(s, fresh("cosign"), function)
	public, err := key.CreateKey(context.Background(), kind)
	if err != nil {
		s.t.Fatal(kind, err)
	}
	return key, public
}

func signed(t *testing.T, key signature.Signer) []byte {
	t.Helper()
	made, err := key.SignMessage(bytes.NewReader(artefact))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// verified is what cosign does with a public key, without the service.
func verified(t *testing.T, public crypto.PublicKey, function crypto.Hash, made, message []byte) bool {
	t.Helper()
	verifier, err := signature.LoadVerifier(public, function)
	if err != nil {
		t.Fatal(err)
	}
	return verifier.VerifySignature(bytes.NewReader(made), bytes.NewReader(message)) == nil
}

func TestCosignSignsWithCurves(t *testing.T) {
	s := newTransit(t)
	for kind, function := range map[string]crypto.Hash{
		hashivault.AlgorithmECDSAP256: crypto.SHA256,
		hashivault.AlgorithmECDSAP384: crypto.SHA384,
		hashivault.AlgorithmECDSAP521: crypto.SHA512,
	} {
		key, public := created(s, kind, function)
		made := signed(t, key)
		assertEqual(t, verified(t, public, function, made, artefact), true)
		assertEqual(t, verified(t, public, function, made, []byte("other")), false)
		asked := key.VerifySignature(bytes.NewReader(made), bytes.NewReader(artefact))
		assertEqual(t, asked, nil)
		asked = key.VerifySignature(bytes.NewReader(made), bytes.NewReader([]byte("other")))
		assertEqual(t, asked != nil, true)
	}
}

func TestCosignSignsWithRsa(t *testing.T) {
	s := newTransit(t)
	for _, kind := range []string{hashivault.AlgorithmRSA2048, hashivault.AlgorithmRSA3072} {
		key, public := created(s, kind, crypto.SHA256)
		made := signed(t, key)
		assertEqual(t, verified(t, public, crypto.SHA256, made, artefact), true)
		assertEqual(t, verified(t, public, crypto.SHA256, made, []byte("other")), false)
		// It signs by PKCS #1 v1.5 and forgets to say so when it asks the service.
		asked := key.VerifySignature(bytes.NewReader(made), bytes.NewReader(artefact))
		assertEqual(t, asked != nil, true)
	}
}

func TestCosignSignsWithEd25519(t *testing.T) {
	s := newTransit(t)
	key, public := created(s, hashivault.AlgorithmED25519, crypto.Hash(0))
	made := signed(t, key)
	assertEqual(t, verified(t, public, crypto.Hash(0), made, artefact), true)
	assertEqual(t, verified(t, public, crypto.Hash(0), made, []byte("other")), false)
	asked := key.VerifySignature(bytes.NewReader(made), bytes.NewReader(artefact))
	assertEqual(t, asked, nil)
}

func TestCosignSignsByAnEarlierVersion(t *testing.T) {
	s := newTransit(t)
	name := s.key("ecdsa-p256")
	s.rotate(name)
	for _, version := range []string{"1", "2"} {
		key := loaded(s, name, crypto.SHA256, options.WithKeyVersion(version))
		made := signed(t, key)
		asked := key.VerifySignature(bytes.NewReader(made), bytes.NewReader(artefact))
		assertEqual(t, asked, nil)
	}
}

func TestCosignIsASignerOfTheStandardLibrary(t *testing.T) {
	s := newTransit(t)
	key, public := created(s, hashivault.AlgorithmECDSAP256, crypto.SHA256)
	signer, _, err := key.CryptoSigner(context.Background(), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	digest := crypto.SHA256.New()
	digest.Write(artefact)
	made, err := signer.Sign(nil, digest.Sum(nil), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	assertEqual(t, verified(t, public, crypto.SHA256, made, artefact), true)
}

func TestCosignIsToldThatAKeyDoesNotExist(t *testing.T) {
	s := newTransit(t)
	if _, err := loaded(s, fresh("none"), crypto.SHA256).PublicKey(); err == nil {
		t.Fatal("the public half of nothing")
	}
}
