package oci

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Unpack writes the image's file system to dir. It appears there in one rename, so
// a directory that exists is complete and Unpack leaves it alone. Nothing is
// written outside of it: entries with "..", through symbolic links, and special
// files are refused. Targets of symbolic links are rewritten so that they mean the
// same as in a root file system of its own and never lead out of dir.
func (s *Store) Unpack(digest, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	img, err := s.Get(digest)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("unpack image %s: %w", digest, err)
	}
	removeStaleUnpacks(dir)
	tmp, err := os.MkdirTemp(filepath.Dir(dir), fmt.Sprintf(".%s.unpack-%d-", filepath.Base(dir), os.Getpid()))
	if err != nil {
		return fmt.Errorf("unpack image %s: %w", digest, err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fmt.Errorf("unpack image %s: %w", digest, err)
	}
	// Under the lock, so that no Remove takes a layer away in the middle.
	if err := s.shared(func() error { return Extract(img, tmp) }); err != nil {
		return fmt.Errorf("unpack image %s into %s: %w", digest, dir, err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, there := os.Stat(dir); there == nil {
			return nil // another process was faster; the content is the same
		}
		return fmt.Errorf("unpack image %s: %w", digest, err)
	}
	return nil
}

// removeStaleUnpacks deletes what a process killed in Unpack of the same directory left.
func removeStaleUnpacks(dir string) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".unpack-*"))
	for _, l := range left {
		var pid int
		name := strings.TrimPrefix(filepath.Base(l), "."+filepath.Base(dir)+".unpack-")
		if _, err := fmt.Sscanf(name, "%d-", &pid); err == nil && pid != os.Getpid() && !alive(pid) {
			_ = os.RemoveAll(l)
		}
	}
}

// Extract writes the layers of img into the existing directory dir, under the rules
// of Unpack but in place.
func Extract(img v1.Image, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for i, l := range layers {
		if err := extractLayer(root, l); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	return nil
}

func extractLayer(root *os.Root, l v1.Layer) error {
	rc, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	x := extractor{root: root, made: map[string]bool{}}
	tr := tar.NewReader(rc)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := x.entry(h, tr); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
}

// extractor applies one layer. made are the paths the layer itself has written;
// its whiteouts must not remove those, only what lower layers brought.
type extractor struct {
	root *os.Root
	made map[string]bool
}

func (x *extractor) entry(h *tar.Header, content io.Reader) error {
	name := path.Clean(strings.TrimPrefix(h.Name, "/"))
	if name == "." {
		return nil
	}
	if !filepath.IsLocal(name) {
		return errors.New("leads out of the image's root")
	}
	dir, base := path.Dir(name), path.Base(name)
	if err := x.parents(dir); err != nil {
		return err
	}
	switch {
	case base == whiteoutOpaque:
		return x.clear(dir)
	case strings.HasPrefix(base, whiteoutPrefix):
		gone := path.Join(dir, strings.TrimPrefix(base, whiteoutPrefix))
		if base == whiteoutPrefix || !filepath.IsLocal(gone) || gone == "." || x.made[gone] {
			return nil
		}
		return x.root.RemoveAll(gone)
	}
	x.made[name] = true
	return x.write(name, h, content)
}

func (x *extractor) write(name string, h *tar.Header, content io.Reader) error {
	have, err := x.root.Lstat(name)
	if err == nil && !(have.IsDir() && h.Typeflag == tar.TypeDir) {
		if err := x.root.RemoveAll(name); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := x.root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case tar.TypeReg:
		return x.file(name, h, content)
	case tar.TypeSymlink:
		return x.root.Symlink(confine(name, h.Linkname), name)
	case tar.TypeLink:
		return x.hardLink(name, h.Linkname)
	default:
		return fmt.Errorf("type %q is neither a file, a directory nor a link", h.Typeflag)
	}
}

func (x *extractor) file(name string, h *tar.Header, content io.Reader) error {
	mode := fs.FileMode(0o644)
	if h.Mode&0o111 != 0 {
		mode = 0o755
	}
	f, err := x.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

func (x *extractor) hardLink(name, target string) error {
	target = path.Clean(strings.TrimPrefix(target, "/"))
	if !filepath.IsLocal(target) {
		return errors.New("hard link to a file outside of the image's root")
	}
	if err := x.noLinks(path.Dir(target)); err != nil {
		return err
	}
	return x.root.Link(target, name)
}

// parents makes the directories above an entry that the layer does not list.
func (x *extractor) parents(dir string) error {
	if dir == "." {
		return nil
	}
	if err := x.noLinks(dir); err != nil {
		return err
	}
	return x.root.MkdirAll(dir, 0o755)
}

// noLinks refuses a directory that is reached through a symbolic link: what is
// below it would be somewhere else than the entry's name says.
func (x *extractor) noLinks(dir string) error {
	for d := dir; d != "."; d = path.Dir(d) {
		info, err := x.root.Lstat(d)
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("passes through the symbolic link %q", d)
		}
	}
	return nil
}

// clear removes what lower layers put into dir.
func (x *extractor) clear(dir string) error {
	d, err := x.root.Open(dir)
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	for _, n := range names {
		p := path.Join(dir, n)
		if x.made[p] {
			continue
		}
		if err := x.root.RemoveAll(p); err != nil {
			return err
		}
	}
	return nil
}

// confine is the target of the symbolic link name as a relative path inside the
// root: absolute targets begin at the root, and ".." stops there.
func confine(name, target string) string {
	if !path.IsAbs(target) && !strings.Contains(target, "..") {
		return target
	}
	abs := target
	if !path.IsAbs(target) {
		abs = path.Join("/", path.Dir(name), target)
	}
	abs = path.Clean(abs)
	rel, err := filepath.Rel(path.Join("/", path.Dir(name)), abs)
	if err != nil {
		return "."
	}
	return filepath.ToSlash(rel)
}
