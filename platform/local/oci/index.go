package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// lock runs f while this process holds the store's lock file. The kernel releases
// the lock when the process dies, so no lock is ever left behind.
func (s *Store) lock(how int, f func() error) error {
	file, err := os.OpenFile(filepath.Join(s.dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("lock image store %s: %w", s.dir, err)
	}
	defer file.Close()
	for {
		err := unix.Flock(int(file.Fd()), how)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lock image store %s: %w", s.dir, err)
		}
	}
	return f()
}

func (s *Store) exclusive(f func() error) error { return s.lock(unix.LOCK_EX, f) }
func (s *Store) shared(f func() error) error    { return s.lock(unix.LOCK_SH, f) }

func (s *Store) readIndex() (*v1.IndexManifest, error) {
	file := filepath.Join(s.dir, "index.json")
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read image index: %w", err)
	}
	var ix v1.IndexManifest
	if err := json.Unmarshal(raw, &ix); err != nil {
		return nil, fmt.Errorf("read image index %s: %w (it is not an OCI image index)", file, err)
	}
	return &ix, nil
}

// updateIndex must run under the exclusive lock.
func (s *Store) updateIndex(change func(*v1.IndexManifest) error) error {
	ix, err := s.readIndex()
	if err != nil {
		return err
	}
	if err := change(ix); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(ix, "", "  ")
	if err != nil {
		return err
	}
	return WriteFileAtomic(filepath.Join(s.dir, "index.json"), raw, 0o644)
}

func (s *Store) writeIfMissing(name string, data []byte) error {
	file := filepath.Join(s.dir, name)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return WriteFileAtomic(file, data, 0o644)
}

// writeDocuments writes the configuration and the manifest in one rename each. The
// layout package writes these two in place and takes any file of that name for
// whole, which a process killed in the middle would leave broken for good.
func (s *Store) writeDocuments(img v1.Image) error {
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	manifest, err := img.RawManifest()
	if err != nil {
		return err
	}
	for _, raw := range [][]byte{config, manifest} {
		h, _, err := v1.SHA256(bytes.NewReader(raw))
		if err != nil {
			return err
		}
		if err := WriteFileAtomic(filepath.Join(s.dir, "blobs", h.Algorithm, h.Hex), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// syncBlobs makes the image's blobs durable before the index names them.
func (s *Store) syncBlobs(img v1.Image) error {
	hashes, err := blobsOf(img)
	if err != nil {
		return err
	}
	for _, h := range hashes {
		f, err := os.Open(filepath.Join(s.dir, "blobs", h.Algorithm, h.Hex))
		if err != nil {
			return err
		}
		err = errors.Join(f.Sync(), f.Close())
		if err != nil {
			return err
		}
	}
	return syncDir(filepath.Join(s.dir, "blobs", "sha256"))
}

// WriteFileAtomic replaces a file in one step: readers see the old content or the
// new one, also after a crash.
func WriteFileAtomic(file string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("write %s: %w", file, err)
	}
	return syncDir(filepath.Dir(file))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func find(ix *v1.IndexManifest, h v1.Hash) int {
	for i, d := range ix.Manifests {
		if d.Digest == h {
			return i
		}
	}
	return -1
}
