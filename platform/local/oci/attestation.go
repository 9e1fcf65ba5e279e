package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// PutAttestation keeps signed provenance with an image; another one replaces it.
func (s *Store) PutAttestation(digest string, raw []byte) error {
	file := s.AttestationPath(digest)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("keep attestation of image %s: %w", digest, err)
	}
	return WriteFileAtomic(file, raw, 0o644)
}

// AttestationPath is the file of the image's provenance, whether it is there or not.
func (s *Store) AttestationPath(digest string) string {
	return filepath.Join(s.dir, "attestations", strings.ReplaceAll(digest, ":", "-")+".provenance.json")
}

func (s *Store) removeAttestation(digest string) error {
	err := os.Remove(s.AttestationPath(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
