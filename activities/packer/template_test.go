package packer_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities/packer"
)

// liveTemplate builds on whatever is live.
const liveTemplate = `
packer {
  required_plugins {
    switchyard = {
      source  = "github.com/switchyard/switchyard"
      version = ">= 0.1.0"
    }
  }
}
variable "switchyard_store" { type = string }
variable "switchyard_receipt" { default = "" }
variable "switchyard_endpoint" { default = "" }
variable "switchyard_application" { default = "" }
variable "switchyard_environment" { default = "" }
data "switchyard-live-image" "now" {
  endpoint    = var.switchyard_endpoint
  application = var.switchyard_application
  environment = var.switchyard_environment
  region      = "local-a"
}
source "switchyard-oci" "it" {
  store       = var.switchyard_store
  application = "thing"
  version     = "after ${data.switchyard-live-image.now.version}"
  parent      = data.switchyard-live-image.now.image
}
build {
  sources = ["source.switchyard-oci.it"]
  provisioner "shell" { inline = ["echo new > new"] }
  post-processor "switchyard-receipt" { path = var.switchyard_receipt }
}
`

func TestTemplateBuildsOnTheLiveImage(t *testing.T) {
	b := newBench(t)
	parent, err := b.bake(b.template(`provisioner "shell" { inline = ["echo old > old"] }`+receiptBlock)).Run(t.Context(), nil)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "live.pkr.hcl"), []byte(liveTemplate), 0o644))

	cases := []struct {
		name   string
		status int
		parent string
		says   string
	}{
		{"live", http.StatusOK, parent.ArtifactID, ""},
		{"nothing is live", http.StatusNotFound, "", ""},
		{"no answer", http.StatusInternalServerError, "", "500"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "/v1/targets/checkout/test/live", r.URL.Path)
				assert.Equal(t, "local-a", r.URL.Query().Get("region"))
				w.WriteHeader(c.status)
				_, _ = fmt.Fprintf(w, `{"image":%q,"version":"7","fleet":"f"}`, c.parent)
			}))
			defer cloud.Close()
			bake := b.bake(dir)
			bake.Release.Endpoint = cloud.URL
			r, err := bake.Run(t.Context(), nil)
			if c.says != "" {
				assert.ErrorContains(t, err, c.says)
				assert.Equal(t, packer.Configuration, packer.KindOf(err))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.parent, r.Inputs.Parent)
		})
	}
}

func TestOneReleaseHasOneImage(t *testing.T) {
	b := newBench(t)
	dir := b.template(`provisioner "shell" { inline = ["echo $PACKER_BUILD_NAME > f"] }` + receiptBlock)
	second := `
source "switchyard-oci" "that" {
  store       = var.switchyard_store
  application = "thing"
  version     = "1"
  release     = var.switchyard_release
}
build {
  sources = ["source.switchyard-oci.that"]
  provisioner "shell" { inline = ["echo that > f"] }
  post-processor "switchyard-receipt" { path = var.switchyard_receipt }
}
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "that.pkr.hcl"), []byte(second), 0o644))
	bake := b.bake(dir)
	_, err := bake.Run(t.Context(), nil)
	assert.Equal(t, packer.Configuration, packer.KindOf(err), "%v", err)
	assert.ErrorContains(t, err, "image.packer.only")
	assert.Empty(t, b.blobs())

	bake.Only = []string{"switchyard-oci.that"}
	r, err := bake.Run(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, "switchyard-oci.that", r.Build)
}

func TestProvisionersStayInTheRoot(t *testing.T) {
	b := newBench(t)
	outside := t.TempDir()
	source := filepath.Join(outside, "source")
	require.NoError(t, os.WriteFile(source, []byte("x"), 0o644))
	for name, build := range map[string]string{
		"dots": fmt.Sprintf(`provisioner "file" {
    source      = %q
    destination = "/../../../../../../..%s/escaped"
  }`, source, outside),
		"link": fmt.Sprintf(`provisioner "shell" { inline = ["ln -s %s out"] }
  provisioner "file" {
    source      = %q
    destination = "/out/escaped"
  }`, outside, source),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.bake(b.template(build+receiptBlock)).Run(t.Context(), nil)
			if name == "link" {
				assert.Equal(t, packer.Build, packer.KindOf(err))
			}
			assert.NoFileExists(t, filepath.Join(outside, "escaped"))
		})
	}
}

func TestInstallPlugin(t *testing.T) {
	have, err := tools()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, packer.InstallPlugin(dir, have.plugin))
	require.NoError(t, packer.InstallPlugin(dir, have.plugin), "again is harmless")
	files, err := filepath.Glob(filepath.Join(dir, "github.com", "switchyard", "switchyard", "*"))
	require.NoError(t, err)
	assert.Len(t, files, 2)
	assert.ErrorContains(t, packer.InstallPlugin(dir, filepath.Join(dir, "none")), "make build")
	assert.ErrorContains(t, packer.InstallPlugin(dir, "/bin/true"), "no Packer plugin")

	// Any program that describes itself, under the name of the amazon plugin.
	amazon := filepath.Join(t.TempDir(), packer.PluginAmazon)
	raw, err := os.ReadFile(have.plugin)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(amazon, raw, 0o700))
	require.NoError(t, packer.InstallPlugin(dir, amazon))
	files, err = filepath.Glob(filepath.Join(dir, "github.com", "hashicorp", "amazon", "packer-plugin-amazon_v*_SHA256SUM"))
	require.NoError(t, err)
	assert.Len(t, files, 1)
	other := filepath.Join(t.TempDir(), "packer-plugin-other")
	require.NoError(t, os.WriteFile(other, raw, 0o700))
	assert.ErrorContains(t, packer.InstallPlugin(dir, other), "packer plugins install")
}
