package oci_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local/oci"
)

// childVariable makes the test binary a process that works on a store.
const childVariable = "SWITCHYARD_TEST_STORE"

func TestMain(m *testing.M) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := putMany(dir, os.Getenv("SWITCHYARD_TEST_NAME")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(t *testing.T) *oci.Store {
	t.Helper()
	s, err := oci.Open(filepath.Join(t.TempDir(), "store"))
	require.NoError(t, err)
	return s
}

// layerOf makes a layer of the difference between nothing and the given files.
func layerOf(dir string, files map[string]string) (v1.Layer, error) {
	root := filepath.Join(dir, "root")
	for name, content := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return oci.WriteLayer(filepath.Join(dir, "layer.tar"), root, oci.Tree{})
}

func image(t *testing.T, parent v1.Image, m oci.Meta, files map[string]string) v1.Image {
	t.Helper()
	l, err := layerOf(t.TempDir(), files)
	require.NoError(t, err)
	img, err := oci.Assemble(parent, l, m)
	require.NoError(t, err)
	return img
}

func put(t *testing.T, s *oci.Store, img v1.Image, o ...oci.PutOption) string {
	t.Helper()
	d, err := s.Put(img, o...)
	require.NoError(t, err)
	return d
}

func blobs(t *testing.T, s *oci.Store) int {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(s.Dir(), "blobs", "sha256"))
	require.NoError(t, err)
	return len(files)
}

func TestImageComesBackAsItWasPut(t *testing.T) {
	s := open(t)
	created := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	base := image(t, nil, oci.Meta{Application: "base", Version: "1"}, map[string]string{"etc/base": "b"})
	baseDigest := put(t, s, base)
	m := oci.Meta{Application: "shop", Version: "2", Commit: "c0ffee", InputDigest: "sha256:1", Base: baseDigest, Created: created}
	digest := put(t, s, image(t, base, m, map[string]string{"bin/shop": "program"}))

	info, err := s.Info(digest)
	require.NoError(t, err)
	assert.Equal(t, digest, info.Ref)
	assert.Equal(t, "shop", info.Application)
	assert.Equal(t, "2", info.Version)
	assert.Equal(t, "c0ffee", info.Commit)
	assert.Equal(t, "sha256:1", info.InputDigest)
	assert.Equal(t, baseDigest, info.Base)
	assert.True(t, created.Equal(info.CreatedAt))
	require.NoError(t, s.Verify(digest))

	root := filepath.Join(t.TempDir(), "root")
	require.NoError(t, s.Unpack(digest, root))
	require.NoError(t, s.Unpack(digest, root), "again is harmless")
	for name, content := range map[string]string{"etc/base": "b", "bin/shop": "program"} {
		raw, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		assert.Equal(t, content, string(raw))
	}
	images, err := s.List()
	require.NoError(t, err)
	require.Len(t, images, 2)
	assert.Equal(t, digest, images[0].Ref, "the newest comes first")
}

func TestDigestDependsOnContentAlone(t *testing.T) {
	files := map[string]string{"b/x": "1", "a": "2", "b/a": "3"}
	m := oci.Meta{Application: "shop", Version: "1"}
	first, err := image(t, nil, m, files).Digest()
	require.NoError(t, err)

	dir := t.TempDir()
	_, err = layerOf(dir, files)
	require.NoError(t, err)
	old := time.Now().Add(-48 * time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "root", "b", "x"), old, old))
	require.NoError(t, os.Chmod(filepath.Join(dir, "root", "a"), 0o666))
	l, err := oci.WriteLayer(filepath.Join(dir, "again.tar"), filepath.Join(dir, "root"), oci.Tree{})
	require.NoError(t, err)
	img, err := oci.Assemble(nil, l, m)
	require.NoError(t, err)
	second, err := img.Digest()
	require.NoError(t, err)
	assert.Equal(t, first, second, "times and rights beyond executable do not count")

	// The release that baked it is no part of it either.
	one, two := open(t), open(t)
	assert.Equal(t, put(t, one, image(t, nil, m, files), oci.ForBake("r1")), put(t, two, image(t, nil, m, files), oci.ForBake("r2")))
	m.Version = "2"
	third, err := image(t, nil, m, files).Digest()
	require.NoError(t, err)
	assert.NotEqual(t, first, third)
}

func TestRemoveKeepsWhatOtherImagesNeed(t *testing.T) {
	s := open(t)
	base := image(t, nil, oci.Meta{Application: "base"}, map[string]string{"base": "b"})
	baseDigest := put(t, s, base)
	app := put(t, s, image(t, base, oci.Meta{Application: "app", Base: baseDigest}, map[string]string{"app": "a"}))
	require.NoError(t, s.PutAttestation(app, []byte("{}")))
	require.Equal(t, 6, blobs(t, s))

	require.NoError(t, s.Remove(baseDigest))
	require.NoError(t, s.Remove(baseDigest), "again is harmless")
	assert.Equal(t, 4, blobs(t, s))
	require.NoError(t, s.Verify(app))
	require.NoError(t, s.Unpack(app, filepath.Join(t.TempDir(), "root")))

	_, err := s.Get(baseDigest)
	assert.True(t, platform.IsNotFound(err))
	require.NoError(t, s.Remove(app))
	assert.Zero(t, blobs(t, s))
	assert.NoFileExists(t, s.AttestationPath(app))
	_, err = s.Get("latest")
	assert.Equal(t, platform.KindInvalid, platform.KindOf(err))
}

func TestDamageIsNoticed(t *testing.T) {
	s := open(t)
	img := image(t, nil, oci.Meta{Application: "app"}, map[string]string{"a": "1"})
	d := put(t, s, img)
	layers, err := img.Layers()
	require.NoError(t, err)
	h, err := layers[0].Digest()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir(), "blobs", "sha256", h.Hex), []byte("other"), 0o644))
	assert.ErrorContains(t, s.Verify(d), h.String())
}

func TestUnacceptedImages(t *testing.T) {
	s := open(t)
	img := image(t, nil, oci.Meta{Application: "app"}, map[string]string{"a": "1"})
	d := put(t, s, img, oci.ForBake("r1"))
	images, err := s.List()
	require.NoError(t, err)
	assert.Empty(t, images, "nobody has accepted it")

	put(t, s, img, oci.ForBake("r2"))
	removed, err := s.Sweep("r1")
	require.NoError(t, err)
	assert.Empty(t, removed, "the other bake still needs it")
	removed, err = oci.Sweep(s, "r2")
	require.NoError(t, err)
	assert.Len(t, removed, 1)
	assert.Zero(t, blobs(t, s))

	put(t, s, img, oci.ForBake("r3"))
	require.NoError(t, s.Accept(d, "r3"))
	require.NoError(t, s.Accept(d, "r3"), "again is harmless")
	put(t, s, img, oci.ForBake("r4"))
	removed, err = s.Sweep("r4")
	require.NoError(t, err)
	assert.Empty(t, removed, "an accepted image stays")
	images, err = s.List()
	require.NoError(t, err)
	assert.Len(t, images, 1)
}

func TestSweepFindsStagingAndItsCommands(t *testing.T) {
	s := open(t)
	mine, err := s.NewStaging("release/checkout/r1")
	require.NoError(t, err)
	other, err := s.NewStaging("release/checkout/r2")
	require.NoError(t, err)
	left := exec.Command("sleep", "1000")
	left.Env = append(os.Environ(), oci.RootVariable+"="+mine.Root)
	require.NoError(t, left.Start())
	ended := make(chan error, 1)
	go func() { ended <- left.Wait() }()

	removed, err := s.Sweep("release/checkout/r1")
	require.NoError(t, err)
	require.Len(t, removed, 1)
	assert.Contains(t, removed[0], mine.Dir)
	assert.NoDirExists(t, mine.Dir)
	assert.DirExists(t, other.Dir)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the command lives on")
	}
	require.NoError(t, other.Close())
	_, err = s.Sweep("")
	assert.Equal(t, platform.KindInvalid, platform.KindOf(err), "never everything by accident")
}

func TestStagingOfAKilledBakeWithoutATag(t *testing.T) {
	s := open(t)
	dead, err := s.NewStaging("")
	require.NoError(t, err)
	// As if its process had been killed and the id were somebody else's now.
	require.NoError(t, os.WriteFile(filepath.Join(dead.Dir, "bake.json"), []byte(`{"tag":"","pid":1,"processStart":1}`), 0o644))
	alive, err := s.NewStaging("")
	require.NoError(t, err)
	assert.NoDirExists(t, dead.Dir)
	again, err := s.NewStaging("")
	require.NoError(t, err)
	assert.DirExists(t, alive.Dir)
	require.NoError(t, alive.Close())
	require.NoError(t, again.Close())
}

// putMany adds and removes images; of each process one image stays.
func putMany(dir, name string) error {
	s, err := oci.Open(dir)
	if err != nil {
		return err
	}
	for i := range 15 {
		temp, err := os.MkdirTemp("", "sy-put-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		l, err := layerOf(temp, map[string]string{"shared": "same in all", name: fmt.Sprint(i)})
		if err != nil {
			return err
		}
		img, err := oci.Assemble(nil, l, oci.Meta{Application: name, Version: fmt.Sprint(i)})
		if err != nil {
			return err
		}
		d, err := s.Put(img)
		if err != nil {
			return err
		}
		if err := s.Verify(d); err != nil {
			return err
		}
		if i < 14 {
			if err := s.Remove(d); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestProcessesShareAStore(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childVariable+"="+s.Dir(), fmt.Sprintf("SWITCHYARD_TEST_NAME=app%d", i))
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, string(out))
		})
	}
	wg.Wait()
	images, err := s.List()
	require.NoError(t, err)
	assert.Len(t, images, 4)
	for _, i := range images {
		assert.NoError(t, s.Verify(i.Ref))
	}
	assert.Equal(t, 12, blobs(t, s), "three blobs for each image and nothing else")
}

func TestOtherToolsReadTheLayout(t *testing.T) {
	s := open(t)
	d := put(t, s, image(t, nil, oci.Meta{Application: "app", Version: "1"}, map[string]string{"a": "1"}))
	raw, err := os.ReadFile(filepath.Join(s.Dir(), "index.json"))
	require.NoError(t, err)
	var index struct {
		SchemaVersion int
		Manifests     []struct{ MediaType, Digest string }
	}
	require.NoError(t, json.Unmarshal(raw, &index))
	assert.Equal(t, 2, index.SchemaVersion)
	require.Len(t, index.Manifests, 1)
	assert.Equal(t, d, index.Manifests[0].Digest)
	assert.Equal(t, "application/vnd.oci.image.manifest.v1+json", index.Manifests[0].MediaType)
	manifest, err := os.ReadFile(s.ManifestPath(d))
	require.NoError(t, err)
	assert.Contains(t, string(manifest), `"org.opencontainers.image.version":"1"`)
	assert.False(t, strings.Contains(string(manifest), "docker"), "no Docker media types")
	layout, err := os.ReadFile(filepath.Join(s.Dir(), "oci-layout"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"imageLayoutVersion":"1.0.0"}`, string(layout))
}
