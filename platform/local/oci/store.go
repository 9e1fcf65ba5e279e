// Package oci keeps images in a directory in the OCI image layout, addressed by
// their digest. Several processes may use one store at the same time: a lock file
// orders them, and the index is replaced in one rename, so that a process killed
// at any moment leaves the store as it was before or after its call. It also holds
// what a bake needs: staging directories, reproducible layers and the annotations
// that carry provenance.
package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

const layoutFile = `{"imageLayoutVersion":"1.0.0"}`

// Store is one directory of images. It holds no open files between calls; the
// zero value is of no use, see Open.
type Store struct {
	dir  string
	path layout.Path
}

// Open opens the store in dir and makes it when it is not there.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open image store %s: %w", dir, err)
	}
	s := &Store{dir: abs, path: layout.Path(abs)}
	if err := os.MkdirAll(filepath.Join(abs, "blobs", "sha256"), 0o755); err != nil {
		return nil, fmt.Errorf("open image store %s: %w (choose a directory this user may write to)", abs, err)
	}
	return s, s.exclusive(func() error {
		if err := s.writeIfMissing("oci-layout", []byte(layoutFile)); err != nil {
			return err
		}
		empty := &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
		raw, err := json.Marshal(empty)
		if err != nil {
			return err
		}
		return s.writeIfMissing("index.json", raw)
	})
}

// Dir is the absolute path of the store.
func (s *Store) Dir() string { return s.dir }

// PutOption changes how Put keeps an image.
type PutOption func(*v1.Descriptor)

// ForBake keeps the image as the unfinished product of a bake: it can be read,
// but List leaves it out until Accept, and Sweep of the same tag removes it.
func ForBake(tag string) PutOption {
	return func(d *v1.Descriptor) {
		if tag != "" {
			d.Annotations[annotationPending] = tag
		}
	}
}

// Put adds the image and returns its digest ("sha256:…"). An image that is there
// already stays as it is: one that was accepted is not made pending again.
func (s *Store) Put(img v1.Image, options ...PutOption) (string, error) {
	digest, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("put image into %s: %w", s.dir, err)
	}
	desc, err := partial.Descriptor(img)
	if err != nil {
		return "", fmt.Errorf("put image %s into %s: %w", digest, s.dir, err)
	}
	desc.Annotations = map[string]string{annotationStored: time.Now().UTC().Format(time.RFC3339Nano)}
	for _, o := range options {
		o(desc)
	}
	err = s.exclusive(func() error {
		if err := s.writeDocuments(img); err != nil {
			return err
		}
		if err := s.path.WriteImage(img); err != nil {
			return err
		}
		if err := s.syncBlobs(img); err != nil {
			return err
		}
		return s.updateIndex(func(ix *v1.IndexManifest) error {
			i := find(ix, digest)
			if i < 0 {
				ix.Manifests = append(ix.Manifests, *desc)
				return nil
			}
			merge(&ix.Manifests[i], desc)
			return nil
		})
	})
	if err != nil {
		return "", fmt.Errorf("put image %s into %s: %w", digest, s.dir, err)
	}
	return digest.String(), nil
}

// merge joins a second Put of the same content with what the index holds.
func merge(have, again *v1.Descriptor) {
	tag, pending := again.Annotations[annotationPending]
	was, wasPending := have.Annotations[annotationPending]
	switch {
	case !wasPending:
	case !pending:
		delete(have.Annotations, annotationPending)
	default:
		have.Annotations[annotationPending] = joinTags(was, tag)
	}
}

// Accept makes a pending image a finished one. release names who accepted it; the
// first name stays. Accepting twice is harmless.
func (s *Store) Accept(digest, release string) error {
	return s.changeImage("accept image", digest, func(d *v1.Descriptor) {
		delete(d.Annotations, annotationPending)
		if d.Annotations[AnnotationRelease] == "" && release != "" {
			d.Annotations[AnnotationRelease] = release
		}
	})
}

func (s *Store) changeImage(op, digest string, change func(*v1.Descriptor)) error {
	h, err := v1.NewHash(digest)
	if err != nil {
		return platform.NewError(platform.KindInvalid, op, digest, "a digest looks like sha256:<64 hex digits>", err)
	}
	return s.exclusive(func() error {
		return s.updateIndex(func(ix *v1.IndexManifest) error {
			i := find(ix, h)
			if i < 0 {
				return platform.NotFound(op, digest+" in "+s.dir)
			}
			if ix.Manifests[i].Annotations == nil {
				ix.Manifests[i].Annotations = map[string]string{}
			}
			change(&ix.Manifests[i])
			return nil
		})
	})
}

// Get opens an image, pending or not. Its layers are read when they are asked for
// and fail when the image has been removed meanwhile.
func (s *Store) Get(digest string) (v1.Image, error) {
	h, err := v1.NewHash(digest)
	if err != nil {
		return nil, platform.NewError(platform.KindInvalid, "get image", digest, "a digest looks like sha256:<64 hex digits>", err)
	}
	var img v1.Image
	err = s.shared(func() error {
		ix, err := s.readIndex()
		if err != nil {
			return err
		}
		if find(ix, h) < 0 {
			return platform.NotFound("get image", digest+" in "+s.dir)
		}
		if img, err = s.path.Image(h); err != nil {
			return err
		}
		// Read now, so that a damaged store shows here and not in the middle of a bake.
		_, err = img.Manifest()
		return err
	})
	return img, err
}

// Info reads the provenance of one image, pending or not.
func (s *Store) Info(digest string) (release.Image, error) {
	img, err := s.Get(digest)
	if err != nil {
		return release.Image{}, err
	}
	var stored time.Time
	err = s.shared(func() error {
		ix, err := s.readIndex()
		if err != nil {
			return err
		}
		h, _ := v1.NewHash(digest)
		if i := find(ix, h); i >= 0 {
			stored, _ = time.Parse(time.RFC3339Nano, ix.Manifests[i].Annotations[annotationStored])
		}
		return nil
	})
	if err != nil {
		return release.Image{}, err
	}
	return describe(digest, img, stored)
}

// List describes every accepted image, the one stored last first.
func (s *Store) List() ([]release.Image, error) {
	var out []release.Image
	err := s.shared(func() error {
		ix, err := s.readIndex()
		if err != nil {
			return err
		}
		stored := map[string]time.Time{}
		for _, d := range ix.Manifests {
			if d.Annotations[annotationPending] != "" {
				continue
			}
			img, err := s.path.Image(d.Digest)
			if err != nil {
				return err
			}
			at, _ := time.Parse(time.RFC3339Nano, d.Annotations[annotationStored])
			im, err := describe(d.Digest.String(), img, at)
			if err != nil {
				return err
			}
			stored[im.Ref] = at
			out = append(out, im)
		}
		sort.SliceStable(out, func(i, j int) bool { return stored[out[i].Ref].After(stored[out[j].Ref]) })
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list images in %s: %w", s.dir, err)
	}
	return out, nil
}

// Remove takes the image out of the store and deletes every blob that no other
// image needs. Removing what is gone succeeds.
func (s *Store) Remove(digest string) error {
	h, err := v1.NewHash(digest)
	if err != nil {
		return platform.NewError(platform.KindInvalid, "remove image", digest, "a digest looks like sha256:<64 hex digits>", err)
	}
	return s.exclusive(func() error {
		err := s.updateIndex(func(ix *v1.IndexManifest) error {
			if i := find(ix, h); i >= 0 {
				ix.Manifests = append(ix.Manifests[:i], ix.Manifests[i+1:]...)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("remove image %s from %s: %w", digest, s.dir, err)
		}
		if err := s.removeAttestation(h.String()); err != nil {
			return fmt.Errorf("remove image %s from %s: %w", digest, s.dir, err)
		}
		return s.collect()
	})
}

// collect deletes blobs that no image of the index refers to. It must run under
// the exclusive lock: a Put writes its blobs before the index knows them.
func (s *Store) collect() error {
	ix, err := s.readIndex()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, d := range ix.Manifests {
		used[d.Digest.Hex] = true
		img, err := s.path.Image(d.Digest)
		if err != nil {
			return err
		}
		m, err := img.Manifest()
		if err != nil {
			return fmt.Errorf("collect unused blobs in %s: manifest %s: %w (nothing was deleted)", s.dir, d.Digest, err)
		}
		used[m.Config.Digest.Hex] = true
		for _, l := range m.Layers {
			used[l.Digest.Hex] = true
		}
	}
	blobs := filepath.Join(s.dir, "blobs", "sha256")
	entries, err := os.ReadDir(blobs)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if used[e.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(blobs, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ManifestPath is the file that holds the manifest of the image. Its SHA-256 is the
// image's digest, so an attestation over the file is one over the image.
func (s *Store) ManifestPath(digest string) string {
	return filepath.Join(s.dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
}

// Verify reads every blob of the image again and compares it with its digest.
func (s *Store) Verify(digest string) error {
	img, err := s.Get(digest)
	if err != nil {
		return err
	}
	hashes, err := blobsOf(img)
	if err != nil {
		return fmt.Errorf("verify image %s: %w", digest, err)
	}
	return s.shared(func() error {
		for _, h := range hashes {
			if err := s.verifyBlob(h); err != nil {
				return fmt.Errorf("verify image %s: %w (the store is damaged; remove the image and bake it again)", digest, err)
			}
		}
		return nil
	})
}

func (s *Store) verifyBlob(h v1.Hash) error {
	f, err := os.Open(filepath.Join(s.dir, "blobs", h.Algorithm, h.Hex))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("read blob %s: %w", h, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != h.Hex {
		return fmt.Errorf("blob %s has the content of sha256:%s", h, got)
	}
	return nil
}

// blobsOf lists the manifest, the configuration and the layers of an image.
func blobsOf(img v1.Image) ([]v1.Hash, error) {
	d, err := img.Digest()
	if err != nil {
		return nil, err
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	out := []v1.Hash{d, m.Config.Digest}
	for _, l := range m.Layers {
		out = append(out, l.Digest)
	}
	return out, nil
}
