package packer_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities/packer"
)

func TestSameInputsGiveTheSameImage(t *testing.T) {
	b, other := newBench(t), newBench(t)
	bake := b.bake(b.example("app"))
	bake.Variables = map[string]string{"greeting": "hello, \"you\"", "faults": `{"failAfter":"6s","errorRate":0.3}`}
	digest, err := bake.InputDigest()
	require.NoError(t, err)
	bake.Release.InputDigest = digest

	var stages []string
	first, err := bake.Run(t.Context(), func(p packer.Progress) { stages = append(stages, p.Stage) })
	require.NoError(t, err)

	// Another store, another release, another folder: the inputs alone count.
	again := other.bake(other.example("app"))
	again.Variables = bake.Variables
	again.Release.InputDigest = digest
	again.Release.Release = "r2"
	second, err := again.Run(t.Context(), nil)
	require.NoError(t, err)

	assert.Equal(t, first.ArtifactID, second.ArtifactID)
	assert.Equal(t, first.Layers, second.Layers)
	for _, s := range []string{"stage", "layer", "image", "receipt", "packer"} {
		assert.Contains(t, stages, s)
	}
	images, err := b.store.List()
	require.NoError(t, err)
	require.Len(t, images, 1)
	assert.Equal(t, first.ArtifactID, images[0].Ref)
	assert.Equal(t, "checkout", images[0].Application)
	assert.Equal(t, "1.0.0", images[0].Version)
	assert.Equal(t, "abc123", images[0].Commit)
	assert.Equal(t, digest, images[0].InputDigest)

	root := filepath.Join(t.TempDir(), "root")
	require.NoError(t, b.store.Unpack(first.ArtifactID, root))
	info, err := os.Stat(filepath.Join(root, "bin", "checkout"))
	require.NoError(t, err)
	assert.EqualValues(t, 0o755, info.Mode().Perm())
	build, err := os.ReadFile(filepath.Join(root, "etc", "checkout", "build.json"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"version":"1.0.0","commit":"abc123","greeting":"hello, \"you\""}`, string(build))
	faults, err := os.ReadFile(filepath.Join(root, "etc", "checkout", "faults.json"))
	require.NoError(t, err)
	assert.JSONEq(t, bake.Variables["faults"], string(faults))
	assert.NoDirExists(t, filepath.Join(root, "tmp"), "Packer's scripts are no part of the image")
	assert.Empty(t, b.leftOvers())
}

func TestLayersOfTheParentAreReused(t *testing.T) {
	b := newBench(t)
	layers := map[string][]string{}
	parent := ""
	for _, name := range []string{"base", "middleware", "app"} {
		bake := b.bake(b.example(name))
		bake.Release.Parent = parent
		r, err := bake.Run(t.Context(), nil)
		require.NoError(t, err, name)
		layers[name], parent = r.Layers, r.ArtifactID
	}
	require.Len(t, layers["app"], 3)
	assert.Equal(t, layers["base"], layers["middleware"][:1])
	assert.Equal(t, layers["middleware"], layers["app"][:2])

	// Only the application changes: the layers below stay byte for byte.
	bake := b.bake(b.example("app"))
	bake.Release.Parent = mustParent(t, b, parent)
	bake.Release.Version = "2.0.0"
	r, err := bake.Run(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, layers["app"][:2], r.Layers[:2])
	assert.NotEqual(t, layers["app"][2], r.Layers[2])
}

func mustParent(t *testing.T, b *bench, ref string) string {
	t.Helper()
	info, err := b.store.Info(ref)
	require.NoError(t, err)
	return info.Base
}

func TestDeletionsOfAProvisionerReachTheImage(t *testing.T) {
	b := newBench(t)
	low := b.bake(b.template(`provisioner "shell" { inline = ["mkdir -p d/e", "echo 1 > d/e/f", "echo 2 > d/g", "echo 3 > keep", "ln -s keep link"] }` + receiptBlock))
	parent, err := low.Run(t.Context(), nil)
	require.NoError(t, err)
	high := b.bake(b.template(`provisioner "shell" { inline = ["rm -r d/e", "rm keep", "test \"$PWD\" = \"$SWITCHYARD_ROOT\""] }` + receiptBlock))
	high.Release.Parent = parent.ArtifactID
	r, err := high.Run(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, parent.ArtifactID, r.Inputs.Parent)

	root := filepath.Join(t.TempDir(), "root")
	require.NoError(t, b.store.Unpack(r.ArtifactID, root))
	assert.NoDirExists(t, filepath.Join(root, "d", "e"))
	assert.NoFileExists(t, filepath.Join(root, "keep"))
	assert.FileExists(t, filepath.Join(root, "d", "g"))
	target, err := os.Readlink(filepath.Join(root, "link"))
	require.NoError(t, err)
	assert.Equal(t, "keep", target)
}

func TestBakesOfOneStoreRunAtTheSameTime(t *testing.T) {
	b := newBench(t)
	bakes := []packer.Bake{b.bake(b.example("base")), b.bake(b.example("app"))}
	var wg sync.WaitGroup
	for i := range bakes {
		bakes[i].Release.Release = "r" + string(rune('a'+i))
		bakes[i].WorkDir = filepath.Join(b.work, bakes[i].Release.Release)
		wg.Go(func() {
			_, err := bakes[i].Run(t.Context(), nil)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	images, err := b.store.List()
	require.NoError(t, err)
	assert.Len(t, images, 2)
}

func TestFailuresSayWhatPackerSaid(t *testing.T) {
	cases := []struct {
		name   string
		build  string
		change func(*packer.Bake)
		kind   packer.Kind
		says   string
	}{
		{"command fails", `provisioner "shell" { inline = ["echo the disk is full >&2", "exit 7"] }` + receiptBlock, nil, packer.Build, "the disk is full"},
		{"unknown argument", `provisioner "shell" { inlin = ["true"] }` + receiptBlock, nil, packer.Configuration, `"inlin"`},
		{"syntax error", `provisioner "shell" {`, nil, packer.Configuration, "it.pkr.hcl"},
		{"no receipt", `provisioner "shell" { inline = ["touch f"] }`, nil, packer.NoReceipt, "switchyard-receipt"},
		{"empty image", receiptBlock, nil, packer.Build, "it has no content"},
		{"unknown variable", receiptBlock, func(b *packer.Bake) { b.Variables = map[string]string{"markre": "x"} }, packer.Configuration, "no variable markre"},
		{"unknown secret", receiptBlock, func(b *packer.Bake) { b.Secrets = map[string]string{"pasword": "x"} }, packer.Configuration, "no variable pasword"},
		{"missing parent", receiptBlock, func(b *packer.Bake) {
			b.Release.Parent = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
		}, packer.Build, "not found"},
		{"wrong parent", receiptBlock, func(b *packer.Bake) { b.Release.Parent = "latest" }, packer.Configuration, `parent "latest" is not a digest`},
		{"plugin missing", receiptBlock, func(b *packer.Bake) { b.PluginDir = b.WorkDir }, packer.Configuration, "Missing plugins"},
		{"packer missing", receiptBlock, func(b *packer.Bake) { b.PackerBin = "/nowhere/packer" }, packer.Configuration, "make tools"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			bake := b.bake(b.template(c.build))
			if c.change != nil {
				c.change(&bake)
			}
			_, err := bake.Run(t.Context(), nil)
			var e *packer.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, c.kind, e.Kind, e.Message)
			assert.Contains(t, e.Message, c.says)
			assert.False(t, e.Retryable())
			assert.Empty(t, b.leftOvers())
			assert.Empty(t, b.blobs(), "a failed bake leaves no image")
		})
	}
}

func TestSecretsStayOutOfEverythingThatIsKept(t *testing.T) {
	const password = "s3cr3t, with \"quotes\" & more"
	b := newBench(t)
	bake := b.bake(b.template(`
  provisioner "shell" {
    environment_vars = ["PASSWORD=${var.password}"]
    inline = [
      "echo \"plain $PASSWORD\"",
      "printf %s \"$PASSWORD\" | base64",
      "echo \"again $PASSWORD\" >&2",
      "exit 1",
    ]
  }` + receiptBlock))
	bake.Secrets = map[string]string{"password": password}
	var seen []packer.Progress
	_, err := bake.Run(t.Context(), func(p packer.Progress) { seen = append(seen, p) })
	var e *packer.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, packer.Build, e.Kind)
	hidden := []string{password, "czNjcjN0LCB3aXRoICJxdW90ZXMiICYgbW9yZQ=="}
	log, err := os.ReadFile(e.LogPath)
	require.NoError(t, err)
	require.Contains(t, string(log), "plain <s", "the command ran and its output is in the log")
	for _, h := range hidden {
		assert.NotContains(t, e.Message, h)
		assert.NotContains(t, string(log), h)
		for _, p := range seen {
			assert.NotContains(t, p.Detail, h)
		}
	}
	require.NoError(t, filepath.WalkDir(b.work, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(file)
		assert.NotContains(t, string(raw), password, file)
		return err
	}))
}

func TestInputDigestFollowsWhatTheBakeReads(t *testing.T) {
	b := newBench(t)
	dir := b.example("app")
	base := b.bake(dir)
	digest := func(change func(*packer.Bake)) string {
		c := base
		if change != nil {
			change(&c)
		}
		d, err := c.InputDigest()
		require.NoError(t, err)
		return d
	}
	start := digest(nil)
	assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, start)
	assert.Equal(t, start, digest(func(p *packer.Bake) { p.Release.Release, p.Release.Environment = "other", "production" }))
	assert.Equal(t, digest(func(p *packer.Bake) { p.Secrets = map[string]string{"password": "a"} }),
		digest(func(p *packer.Bake) { p.Secrets = map[string]string{"password": "b"} }))
	seen := map[string]bool{start: true}
	for name, change := range map[string]func(*packer.Bake){
		"version":  func(p *packer.Bake) { p.Release.Version = "2" },
		"commit":   func(p *packer.Bake) { p.Release.Commit = "2" },
		"parent":   func(p *packer.Bake) { p.Release.Parent = "sha256:1" },
		"variable": func(p *packer.Bake) { p.Variables = map[string]string{"greeting": "x"} },
		"secret":   func(p *packer.Bake) { p.Secrets = map[string]string{"password": "a"} },
		"only":     func(p *packer.Bake) { p.Only = []string{"*.app"} },
		"mode":     func(*packer.Bake) { require.NoError(t, os.Chmod(filepath.Join(dir, "bin", "checkout"), 0o644)) },
		"content": func(*packer.Bake) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "bin", "checkout"), []byte("x"), 0o644))
		},
	} {
		d := digest(change)
		if name != "mode" && name != "content" {
			assert.False(t, seen[d], name)
		}
		seen[d] = true
	}
	assert.NotEqual(t, start, digest(nil), "the files of the template count")
}

func TestCancelledBeforeItStarts(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.bake(b.template(receiptBlock)).Run(ctx, nil)
	assert.Equal(t, packer.Cancelled, packer.KindOf(err))
	assert.Empty(t, b.leftOvers())
}

func TestABakeBeginsWithTheSweepOfTheLastOne(t *testing.T) {
	b := newBench(t)
	bake := b.bake(b.template(receiptBlock + `provisioner "shell" { inline = ["echo new > new"] }`))
	swept := 0
	bake.Sweep = func(context.Context) error { swept++; return nil }
	_, err := bake.Run(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, 1, swept)

	refused := errors.New("no answer")
	bake.Sweep = func(context.Context) error { return refused }
	_, err = bake.Run(t.Context(), nil)
	assert.ErrorIs(t, err, refused, "nothing is baked beside what is left")
}
