package packer_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities/packer"
	"github.com/switchyard/switchyard/platform/local/oci"
)

// tools are what every bake of the tests needs, made once.
var tools = sync.OnceValues(func() (struct{ packer, plugins, plugin, checkout string }, error) {
	var t struct{ packer, plugins, plugin, checkout string }
	var err error
	if t.packer, err = findPacker(); err != nil {
		return t, err
	}
	dir, err := os.MkdirTemp("", "sy-tools-")
	if err != nil {
		return t, err
	}
	toolsDir = dir
	t.plugins = filepath.Join(dir, "plugins")
	t.plugin = filepath.Join(dir, "packer-plugin-switchyard")
	t.checkout = filepath.Join(dir, "checkout")
	for out, pkg := range map[string]string{t.plugin: "cmd/packer-plugin-switchyard", t.checkout: "examples/checkout"} {
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", out, "github.com/switchyard/switchyard/"+pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			return t, fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
	}
	return t, packer.InstallPlugin(t.plugins, t.plugin)
})

var toolsDir string

func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		os.Exit(worker())
	}
	code := m.Run()
	if toolsDir != "" {
		_ = os.RemoveAll(toolsDir)
	}
	os.Exit(code)
}

// findPacker looks in $SWITCHYARD_BIN, in the repository's bin folder and on PATH.
func findPacker() (string, error) {
	for _, dir := range []string{os.Getenv("SWITCHYARD_BIN"), filepath.Join("..", "..", "bin")} {
		file, err := filepath.Abs(filepath.Join(dir, "packer"))
		if dir == "" || err != nil {
			continue
		}
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return file, nil
		}
	}
	if file, err := exec.LookPath("packer"); err == nil {
		return file, nil
	}
	return "", fmt.Errorf("these tests run the real packer and found none in $SWITCHYARD_BIN, bin/ or on PATH: run `make tools`, or install Packer 1.11 or newer")
}

// bench is one test's store and work directory.
type bench struct {
	t     *testing.T
	store *oci.Store
	work  string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	store, err := oci.Open(filepath.Join(dir, "images"))
	require.NoError(t, err)
	return &bench{t: t, store: store, work: filepath.Join(dir, "work")}
}

// bake is a bake of the template in the store, with everything else filled in.
func (b *bench) bake(template string) packer.Bake {
	b.t.Helper()
	have, err := tools()
	require.NoError(b.t, err)
	return packer.Bake{
		PackerBin: have.packer,
		PluginDir: have.plugins,
		Template:  template,
		WorkDir:   b.work,
		Timeout:   2 * time.Minute,
		Grace:     30 * time.Second,
		Release: packer.Vars{
			Release: "r1", Application: "checkout", Environment: "test",
			Version: "1.0.0", Commit: "abc123", Store: b.store.Dir(),
		},
	}
}

// example copies a template of examples/checkout, with the program where it belongs.
func (b *bench) example(name string) string {
	b.t.Helper()
	have, err := tools()
	require.NoError(b.t, err)
	dir := filepath.Join(b.t.TempDir(), name)
	require.NoError(b.t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", "checkout", "packer", name))))
	if name == "app" {
		program, err := os.ReadFile(have.checkout)
		require.NoError(b.t, err)
		require.NoError(b.t, os.MkdirAll(filepath.Join(dir, "bin"), 0o755))
		require.NoError(b.t, os.WriteFile(filepath.Join(dir, "bin", "checkout"), program, 0o755))
	}
	return dir
}

// template writes a template whose build block holds the given text.
func (b *bench) template(build string) string {
	b.t.Helper()
	dir := b.t.TempDir()
	text := `
packer {
  required_plugins {
    switchyard = {
      source  = "github.com/switchyard/switchyard"
      version = ">= 0.1.0"
    }
  }
}
variable "switchyard_store" { type = string }
variable "switchyard_release" { default = "" }
variable "switchyard_receipt" { default = "" }
variable "switchyard_parent" { default = "" }
variable "password" {
  default   = ""
  sensitive = true
}
variable "marker" { default = "" }
source "switchyard-oci" "it" {
  store       = var.switchyard_store
  application = "thing"
  version     = "1"
  release     = var.switchyard_release
  parent      = var.switchyard_parent
}
build {
  sources = ["source.switchyard-oci.it"]
` + build + `
}
`
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, "it.pkr.hcl"), []byte(text), 0o644))
	return dir
}

const receiptBlock = `
  post-processor "switchyard-receipt" { path = var.switchyard_receipt }
`

// leftOvers are the staging directories and temporary directories that should not be there.
func (b *bench) leftOvers() []string {
	staging, _ := filepath.Glob(filepath.Join(b.store.Dir(), ".staging", "*"))
	raw, _ := filepath.Glob(filepath.Join(b.work, "attempt-*", "*.raw"))
	notes, _ := filepath.Glob(filepath.Join(b.work, "attempt-*", "process.json"))
	return append(append(staging, raw...), notes...)
}

// blobs are the files of the store that hold content.
func (b *bench) blobs() []string {
	files, err := filepath.Glob(filepath.Join(b.store.Dir(), "blobs", "sha256", "*"))
	require.NoError(b.t, err)
	return files
}
