// Package receipt is the record of one bake: the file that the Packer plugin's
// post-processor writes and that the bake trusts, instead of Packer's output.
package receipt

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Schema is the version of the format. A change that readers must know of gets a new one.
const Schema = "dev.switchyard.receipt/v1"

// BuilderOCI is the builder id of the plugin's own images.
const BuilderOCI = "switchyard.oci"

// Receipt says what a bake made, and of what.
type Receipt struct {
	Schema        string            `json:"schema"`
	Build         string            `json:"build"` // "switchyard-oci.app"
	BuilderID     string            `json:"builderId"`
	ArtifactID    string            `json:"artifactId"`        // "sha256:…", or what the builder calls it ("us-east-1:ami-…")
	Digests       map[string]string `json:"digests,omitempty"` // "manifest", "config": each "sha256:…"
	Layers        []string          `json:"layers,omitempty"`  // "sha256:…", lowest first
	Inputs        Inputs            `json:"inputs"`
	PackerRunUUID string            `json:"packerRunUuid,omitempty"`
	Token         string            `json:"token,omitempty"` // of the attempt that asked for the bake
}

// Inputs are what the bake was told to make.
type Inputs struct {
	Application string `json:"application"`
	Version     string `json:"version"`
	Commit      string `json:"commit,omitempty"`
	InputDigest string `json:"inputDigest,omitempty"`
	Parent      string `json:"parent,omitempty"`
}

// Read reads a receipt and checks that it is one.
func Read(file string) (Receipt, error) {
	var r Receipt
	raw, err := os.ReadFile(file)
	if err != nil {
		return r, fmt.Errorf("read receipt: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read receipt %s: %w", file, err)
	}
	if r.Schema != Schema {
		return r, fmt.Errorf("read receipt %s: its schema is %q, not %q (the Packer plugin and Switchyard are of different versions)", file, r.Schema, Schema)
	}
	if r.ArtifactID == "" {
		return r, errors.New("read receipt " + file + ": it names no artifact")
	}
	return r, nil
}

// Regions is the artifact of a builder that makes one image per region, as those of
// Packer's amazon plugin: "eu-west-1:ami-1,eu-central-1:ami-2" → region → ref.
func (r Receipt) Regions() (map[string]string, error) {
	refs := map[string]string{}
	for _, part := range strings.Split(r.ArtifactID, ",") {
		region, ref, ok := strings.Cut(strings.TrimSpace(part), ":")
		if !ok || region == "" || ref == "" || refs[region] != "" {
			return nil, fmt.Errorf("the receipt of build %s names %q, which is no image per region (region:image,region:image)", r.Build, r.ArtifactID)
		}
		refs[region] = ref
	}
	return refs, nil
}
