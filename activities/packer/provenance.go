package packer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local/oci"
)

// attestationSuffix ends the files that Packer's provenance post-processor writes.
const attestationSuffix = ".provenance.json"

// slsaPredicate is the kind of attestation that proves how an image was built.
const slsaPredicate = "https://slsa.dev/provenance/v1"

// keepAttestation puts the attestation that the template wrote beside the receipt
// (output_dir = dirname(var.switchyard_receipt)) into the store with the image. A
// template without one is fine here; VerifyImage is where it is asked for.
func keepAttestation(store *oci.Store, digest, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*"+attestationSuffix))
	if err != nil {
		return err
	}
	// Without an output_dir it stands beside the artifact's file, which is the manifest.
	manifest := store.ManifestPath(digest)
	beside, err := filepath.Glob(filepath.Join(filepath.Dir(manifest), "*"+filepath.Base(manifest)+attestationSuffix))
	if err != nil {
		return err
	}
	files = append(files, beside...)
	if len(files) == 0 {
		return nil
	}
	if len(files) > 1 {
		return fmt.Errorf("the template wrote %d attestations (%s); one image has one", len(files), strings.Join(files, ", "))
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	if err := store.PutAttestation(digest, raw); err != nil {
		return err
	}
	for _, f := range beside {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

// VerifyImage proves that the SLSA provenance kept with a stored image is signed by
// the key and is about this very image. KindNotFound when the image has none.
func VerifyImage(ctx context.Context, packerBin string, store *oci.Store, digest, publicKey string) error {
	file := store.AttestationPath(digest)
	if _, err := os.Stat(file); err != nil {
		return platform.NewError(platform.KindNotFound, "verify provenance of image", digest,
			`bake it with a template that has: post-processor "provenance" { output_dir = dirname(var.switchyard_receipt), signing_mode = "key", signer = … }`,
			errors.New("the image has no provenance"))
	}
	return VerifyProvenance(ctx, packerBin, file, publicKey, store.ManifestPath(digest))
}

// VerifyProvenance runs packer verify-attestation (Packer 1.16 and up): the attestation
// must be SLSA provenance, signed by the owner of the public key (a PEM file), about
// the file artifact. The answer of Packer is the error.
func VerifyProvenance(ctx context.Context, packerBin, attestation, publicKey, artifact string) error {
	if publicKey == "" {
		return platform.NewError(platform.KindInvalid, "verify provenance", attestation, "name the PEM file of the signer's public key", errors.New("no public key"))
	}
	cmd := exec.CommandContext(ctx, packerBin, "verify-attestation", "-signing-mode=key", "-verifier="+publicKey,
		"-predicate-type="+slsaPredicate, "-artifact="+artifact, attestation)
	temp, err := os.MkdirTemp("/tmp", "sy-")
	if err != nil {
		return fmt.Errorf("verify provenance: %w", err)
	}
	defer os.RemoveAll(temp)
	cmd.Env = append(inherited(os.Environ()), "CHECKPOINT_DISABLE=1", "PACKER_NO_COLOR=1",
		"PACKER_CONFIG_DIR="+filepath.Join(temp, "config"), "TMPDIR="+temp)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("verify provenance %s: %w", attestation, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("verify provenance %s with key %s: %s (%w)", attestation, publicKey, strings.TrimSpace(string(out)), err)
	}
	return nil
}
