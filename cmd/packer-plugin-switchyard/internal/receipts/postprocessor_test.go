package receipts

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities/packer/receipt"
)

func ui() packersdk.Ui {
	return &packersdk.BasicUi{Reader: os.Stdin, Writer: io.Discard, ErrorWriter: io.Discard}
}

// The post-processor knows nothing of this builder, as of amazon-ebs.
func TestReceiptBehindAnyBuilder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "receipt.json")
	var p PostProcessor
	require.NoError(t, p.Configure(map[string]any{
		"path": file, "application": "shop", "version": "2", "commit": "c", "input_digest": "sha256:1", "token": "t",
		"packer_build_name": "web", "packer_builder_type": "amazon-ebs",
	}))
	a := &packersdk.MockArtifact{BuilderIdValue: "mitchellh.amazonebs", IdValue: "us-east-1:ami-1,us-west-2:ami-2"}
	kept, keep, force, err := p.PostProcess(context.Background(), ui(), a)
	require.NoError(t, err)
	assert.Same(t, a, kept)
	assert.True(t, keep)
	assert.True(t, force, "the artifact must never be destroyed for a receipt")

	r, err := receipt.Read(file)
	require.NoError(t, err)
	assert.Equal(t, receipt.Receipt{
		Schema: receipt.Schema, Build: "amazon-ebs.web", BuilderID: "mitchellh.amazonebs",
		ArtifactID: "us-east-1:ami-1,us-west-2:ami-2", Token: "t",
		Inputs: receipt.Inputs{Application: "shop", Version: "2", Commit: "c", InputDigest: "sha256:1"},
	}, r)
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file stays")
}

func TestNoPathNoReceipt(t *testing.T) {
	var p PostProcessor
	require.NoError(t, p.Configure(map[string]any{"path": ""}))
	_, keep, force, err := p.PostProcess(context.Background(), ui(), &packersdk.MockArtifact{})
	require.NoError(t, err)
	assert.True(t, keep && force)
}

func TestReceiptThatCannotBeWritten(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o644))
	var p PostProcessor
	require.NoError(t, p.Configure(map[string]any{"path": filepath.Join(blocked, "receipt.json")}))
	_, keep, _, err := p.PostProcess(context.Background(), ui(), &packersdk.MockArtifact{})
	assert.ErrorContains(t, err, "write receipt")
	assert.True(t, keep)
}

func TestReadRefusesWhatIsNoReceipt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	for content, says := range map[string]string{
		`{`:                                      "r.json",
		`{"schema":"other/v9","artifactId":"x"}`: "different versions",
		`{"schema":"` + receipt.Schema + `"}`:    "names no artifact",
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
		_, err := receipt.Read(file)
		assert.ErrorContains(t, err, says)
	}
}
