package oci_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/switchyard/switchyard/platform/local/oci"
)

type file struct {
	name, content string
	kind          byte
	link          string
}

// foreign is an image as another tool could have made it, one layer for each list.
func foreign(t *testing.T, layers ...[]file) v1.Image {
	t.Helper()
	img := empty.Image
	for _, list := range layers {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, f := range list {
			if f.kind == 0 {
				f.kind = tar.TypeReg
			}
			require.NoError(t, w.WriteHeader(&tar.Header{Name: f.name, Typeflag: f.kind, Linkname: f.link, Mode: 0o755, Size: int64(len(f.content))}))
			_, err := io.WriteString(w, f.content)
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		var err error
		img, err = mutate.AppendLayers(img, static.NewLayer(b.Bytes(), types.OCIUncompressedLayer))
		require.NoError(t, err)
	}
	return img
}

func TestNothingIsWrittenOutsideOfTheRoot(t *testing.T) {
	outside := t.TempDir()
	cases := map[string][]file{
		"dots in a name":          {{name: "../escaped", content: "x"}},
		"dots in the middle":      {{name: "a/../../escaped", content: "x"}},
		"hard link out":           {{name: "l", kind: tar.TypeLink, link: "../../etc/passwd"}},
		"through a link":          {{name: "d", kind: tar.TypeSymlink, link: outside}, {name: "d/escaped", content: "x"}},
		"through a relative link": {{name: "d", kind: tar.TypeSymlink, link: "../../.."}, {name: "d/escaped", content: "x"}},
		"hard link through link":  {{name: "d", kind: tar.TypeSymlink, link: "/etc"}, {name: "l", kind: tar.TypeLink, link: "d/passwd"}},
		"device":                  {{name: "null", kind: tar.TypeChar}},
		"pipe":                    {{name: "p", kind: tar.TypeFifo}},
		"whiteout through a link": {{name: "d", kind: tar.TypeSymlink, link: outside}, {name: "d/.wh.keep"}},
	}
	for name, list := range cases {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			keep := filepath.Join(outside, "keep")
			require.NoError(t, os.WriteFile(keep, nil, 0o644))
			d := put(t, s, foreign(t, list))
			dir := filepath.Join(t.TempDir(), "parent", "root")
			assert.Error(t, s.Unpack(d, dir))
			assert.FileExists(t, keep)
			assert.NoFileExists(t, filepath.Join(outside, "escaped"))
			left, err := os.ReadDir(filepath.Dir(dir))
			require.NoError(t, err)
			assert.Empty(t, left, "half an image is not left")
		})
	}
}

func TestLinksMeanTheSameAsInTheirOwnRoot(t *testing.T) {
	s := open(t)
	d := put(t, s, foreign(t, []file{
		{name: "usr/lib/target", content: "t"},
		{name: "usr/bin/absolute", kind: tar.TypeSymlink, link: "/usr/lib/target"},
		{name: "usr/bin/climbing", kind: tar.TypeSymlink, link: "../../../../usr/lib/target"},
		{name: "usr/bin/plain", kind: tar.TypeSymlink, link: "../lib/target"},
		{name: "usr/bin/hard", kind: tar.TypeLink, link: "/usr/lib/target"},
		{name: "passwd", kind: tar.TypeSymlink, link: "/etc/passwd"},
	}))
	root := filepath.Join(t.TempDir(), "root")
	require.NoError(t, s.Unpack(d, root))
	for _, name := range []string{"absolute", "climbing", "plain", "hard"} {
		raw, err := os.ReadFile(filepath.Join(root, "usr", "bin", name))
		require.NoError(t, err, name)
		assert.Equal(t, "t", string(raw), name)
	}
	_, err := os.ReadFile(filepath.Join(root, "passwd"))
	assert.ErrorIs(t, err, os.ErrNotExist, "a link to /etc/passwd is not the host's")
}

func TestWhiteouts(t *testing.T) {
	s := open(t)
	d := put(t, s, foreign(t,
		[]file{{name: "gone"}, {name: "dir/a"}, {name: "dir/b"}, {name: "full/old"}, {name: "swap/x"}, {name: "both", content: "low"}, {name: "file", content: "was a file"}},
		[]file{
			{name: ".wh.gone"}, {name: "dir/.wh.a"},
			{name: "full/new", content: "n"}, {name: "full/.wh..wh..opq"},
			{name: "both", content: "high"}, {name: ".wh.both"},
			{name: "swap", content: "is a file now"},
			{name: "file/inside", content: "is a directory now"},
		},
	))
	root := filepath.Join(t.TempDir(), "root")
	err := s.Unpack(d, root)
	// A file that turns into a directory needs the directory's own entry.
	require.Error(t, err)

	d = put(t, s, foreign(t,
		[]file{{name: "gone"}, {name: "dir/a"}, {name: "dir/b"}, {name: "full/old"}, {name: "swap/x"}, {name: "both", content: "low"}, {name: "file", content: "was a file"}},
		[]file{
			{name: ".wh.gone"}, {name: "dir/.wh.a"},
			{name: "full/new", content: "n"}, {name: "full/.wh..wh..opq"},
			{name: "both", content: "high"}, {name: ".wh.both"},
			{name: "swap", content: "is a file now"},
			{name: "file/", kind: tar.TypeDir}, {name: "file/inside", content: "is a directory now"},
		},
	))
	require.NoError(t, s.Unpack(d, root))
	tree, err := oci.Snapshot(root)
	require.NoError(t, err)
	names := []string{}
	for n := range tree {
		names = append(names, n)
	}
	assert.ElementsMatch(t, []string{"dir", "dir/b", "full", "full/new", "both", "swap", "file", "file/inside"}, names)
	raw, err := os.ReadFile(filepath.Join(root, "both"))
	require.NoError(t, err)
	assert.Equal(t, "high", string(raw), "a layer's whiteout hides only what is below it")
}

// Whatever a provisioner does to a root, the parent plus the new layer is that root.
func TestLayerLeadsFromOneTreeToTheOther(t *testing.T) {
	s := open(t)
	root := filepath.Join(t.TempDir(), "root")
	base := image(t, nil, oci.Meta{Application: "base"}, map[string]string{
		"a/b/c": "1", "a/b/d": "2", "keep": "3", "change": "4", "tofile/x": "5", "todir": "6", "tolink": "7",
	})
	require.NoError(t, s.Unpack(put(t, s, base), root))
	before, err := oci.Snapshot(root)
	require.NoError(t, err)

	require.NoError(t, os.RemoveAll(filepath.Join(root, "a", "b")))
	require.NoError(t, os.WriteFile(filepath.Join(root, "change"), []byte("changed"), 0o644))
	require.NoError(t, os.RemoveAll(filepath.Join(root, "tofile")))
	require.NoError(t, os.WriteFile(filepath.Join(root, "tofile"), []byte("f"), 0o755))
	require.NoError(t, os.Remove(filepath.Join(root, "todir")))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "todir", "deep"), 0o700))
	require.NoError(t, os.Remove(filepath.Join(root, "tolink")))
	require.NoError(t, os.Symlink("keep", filepath.Join(root, "tolink")))
	want, err := oci.Snapshot(root)
	require.NoError(t, err)

	layer, err := oci.WriteLayer(filepath.Join(t.TempDir(), "layer.tar"), root, before)
	require.NoError(t, err)
	img, err := oci.Assemble(base, layer, oci.Meta{Application: "app"})
	require.NoError(t, err)
	again := filepath.Join(t.TempDir(), "root")
	require.NoError(t, s.Unpack(put(t, s, img), again))
	got, err := oci.Snapshot(again)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	none, err := oci.WriteLayer(filepath.Join(t.TempDir(), "layer.tar"), root, want)
	require.NoError(t, err)
	assert.Nil(t, none, "no change, no layer")
	_, err = oci.Assemble(nil, nil, oci.Meta{Application: "app"})
	assert.ErrorContains(t, err, "no content")
}

func TestSpecialFilesAreRefused(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, ".wh.x"), nil, 0o644))
	_, err := oci.Snapshot(root)
	assert.ErrorContains(t, err, "reserved")
}
