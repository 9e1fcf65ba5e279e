package oci

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// Entry is one path of a file tree, reduced to what an image keeps of it: owner
// and times are not kept, and a mode is 0755 (directories, executables) or 0644.
type Entry struct {
	Type byte // tar.TypeDir, tar.TypeReg or tar.TypeSymlink
	Mode int64
	Size int64
	Sum  string // hex SHA-256 of the content, or the target of a symbolic link
}

// Tree maps slash-separated paths below a root to what is there.
type Tree map[string]Entry

// Snapshot reads the tree below root. It follows no symbolic links. Devices, pipes
// and sockets cannot be part of an image and are an error, and so are names that
// the layer format reserves (".wh.…").
func Snapshot(root string) (Tree, error) {
	tree := Tree{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil || rel == "." {
			return err
		}
		if strings.HasPrefix(d.Name(), whiteoutPrefix) {
			return fmt.Errorf("%s: names that begin with %q are reserved by the image format (rename the file)", rel, whiteoutPrefix)
		}
		e, err := entryOf(file, d)
		if err != nil {
			return err
		}
		tree[filepath.ToSlash(rel)] = e
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read file tree %s: %w", root, err)
	}
	return tree, nil
}

func entryOf(file string, d fs.DirEntry) (Entry, error) {
	switch {
	case d.IsDir():
		return Entry{Type: tar.TypeDir, Mode: 0o755}, nil
	case d.Type() == fs.ModeSymlink:
		target, err := os.Readlink(file)
		return Entry{Type: tar.TypeSymlink, Mode: 0o777, Sum: target}, err
	case d.Type().IsRegular():
		return regularEntry(file)
	default:
		return Entry{}, fmt.Errorf("%s is a %s, which an image cannot hold (remove it in the last provisioner)", file, d.Type())
	}
}

func regularEntry(file string) (Entry, error) {
	f, err := os.Open(file)
	if err != nil {
		return Entry{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Entry{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return Entry{}, err
	}
	mode := int64(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	return Entry{Type: tar.TypeReg, Mode: mode, Size: n, Sum: hex.EncodeToString(sum.Sum(nil))}, nil
}

// Changes lists what leads from one tree to another: paths to write, and the
// topmost paths to delete. Both are sorted.
func Changes(before, after Tree) (write, remove []string) {
	for p, e := range after {
		if before[p] != e {
			write = append(write, p)
		}
	}
	for p := range before {
		if _, there := after[p]; there {
			continue
		}
		parent := path.Dir(p)
		_, parentThere := after[parent]
		// Below a directory that is gone as a whole, or is no directory any more,
		// the entry of that directory already says everything.
		if parent == "." || (parentThere && after[parent].Type == tar.TypeDir) {
			remove = append(remove, p)
		}
	}
	sort.Strings(write)
	sort.Strings(remove)
	return write, remove
}

// WriteLayer writes the changes from the tree before to what is below root now as
// one uncompressed layer into file and returns it; nil when nothing changed. The
// layer depends on the content alone: paths are sorted, times are 0, the owner is
// 0:0. It is not compressed so that its digest never depends on a compressor.
func WriteLayer(file, root string, before Tree) (v1.Layer, error) {
	after, err := Snapshot(root)
	if err != nil {
		return nil, err
	}
	write, remove := Changes(before, after)
	if len(write)+len(remove) == 0 {
		return nil, nil
	}
	out, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("write layer: %w", err)
	}
	defer out.Close()
	sum := sha256.New()
	tw := tar.NewWriter(io.MultiWriter(out, sum))
	if err := writeEntries(tw, root, after, write, remove); err != nil {
		return nil, fmt.Errorf("write layer of %s: %w", root, err)
	}
	if err := tw.Close(); err != nil {
		return nil, fmt.Errorf("write layer of %s: %w", root, err)
	}
	info, err := out.Stat()
	if err != nil {
		return nil, err
	}
	hash := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	return &fileLayer{file: file, hash: hash, size: info.Size()}, out.Close()
}

func writeEntries(tw *tar.Writer, root string, after Tree, write, remove []string) error {
	for _, p := range remove {
		dir, name := path.Split(p)
		h := header(dir+whiteoutPrefix+name, Entry{Type: tar.TypeReg, Mode: 0o644})
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
	}
	for _, p := range write {
		e := after[p]
		if err := tw.WriteHeader(header(p, e)); err != nil {
			return err
		}
		if e.Type != tar.TypeReg {
			continue
		}
		if err := copyFile(tw, filepath.Join(root, filepath.FromSlash(p)), e.Size); err != nil {
			return err
		}
	}
	return nil
}

func header(name string, e Entry) *tar.Header {
	h := &tar.Header{Typeflag: e.Type, Name: name, Mode: e.Mode, Size: e.Size, Format: tar.FormatPAX}
	switch e.Type {
	case tar.TypeDir:
		h.Name += "/"
	case tar.TypeSymlink:
		h.Linkname = e.Sum
	}
	return h
}

func copyFile(w io.Writer, file string, size int64) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(w, f)
	if err == nil && n != size {
		err = fmt.Errorf("%s changed while it was read (a command of the bake still runs)", file)
	}
	return err
}

// fileLayer is an uncompressed layer in a file.
type fileLayer struct {
	file string
	hash v1.Hash
	size int64
}

var _ v1.Layer = (*fileLayer)(nil)

func (l *fileLayer) Digest() (v1.Hash, error)             { return l.hash, nil }
func (l *fileLayer) DiffID() (v1.Hash, error)             { return l.hash, nil }
func (l *fileLayer) Compressed() (io.ReadCloser, error)   { return os.Open(l.file) }
func (l *fileLayer) Uncompressed() (io.ReadCloser, error) { return os.Open(l.file) }
func (l *fileLayer) Size() (int64, error)                 { return l.size, nil }
func (l *fileLayer) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
