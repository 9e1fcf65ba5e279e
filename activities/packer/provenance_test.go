package packer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities/packer"
	"github.com/switchyard/switchyard/platform"
)

// keyPair writes a signing key and its public half.
func keyPair(t *testing.T, name string) (private, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	open, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	dir := t.TempDir()
	private, public = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".pub.pem")
	require.NoError(t, os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	require.NoError(t, os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open}), 0o644))
	return private, public
}

func TestProvenanceIsKeptAndVerified(t *testing.T) {
	private, public := keyPair(t, "house")
	_, stranger := keyPair(t, "stranger")
	for _, c := range []struct{ name, output string }{
		{"beside the receipt", `output_dir = dirname(var.switchyard_receipt)`},
		{"beside the image", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			bake := b.bake(b.template(`
  provisioner "shell" { inline = ["echo ${var.marker} > f"] }
  post-processor "provenance" {
    signing_mode = "key"
    signer       = "` + private + `"
    ` + c.output + `
  }` + receiptBlock))
			r, err := bake.Run(t.Context(), nil)
			require.NoError(t, err)
			verify := func(digest, key string) error {
				return packer.VerifyImage(t.Context(), bake.PackerBin, b.store, digest, key)
			}
			assert.NoError(t, verify(r.ArtifactID, public))
			assert.Error(t, verify(r.ArtifactID, stranger), "signed by somebody else")
			assert.Len(t, b.blobs(), 3, "only the image is among the blobs")

			// The attestation of one image proves nothing about another.
			bake.Variables = map[string]string{"marker": "other"}
			bake.Template = b.template(`provisioner "shell" { inline = ["echo ${var.marker} > f"] }` + receiptBlock)
			other, err := bake.Run(t.Context(), nil)
			require.NoError(t, err)
			assert.True(t, platform.IsNotFound(verify(other.ArtifactID, public)))
			raw, err := os.ReadFile(b.store.AttestationPath(r.ArtifactID))
			require.NoError(t, err)
			require.NoError(t, b.store.PutAttestation(other.ArtifactID, raw))
			assert.Error(t, verify(other.ArtifactID, public))
		})
	}
}
