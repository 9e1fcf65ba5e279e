package image

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/switchyard/switchyard/activities/packer/receipt"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local/oci"
)

// StateReceipt names the artifact's state that holds a receipt in JSON, as far as
// the builder knows what belongs into it.
const StateReceipt = "switchyard.receipt"

// Artifact is one image in the store.
type Artifact struct {
	store   *oci.Store
	release string
	isNew   bool // the store did not hold it before this bake
	record  receipt.Receipt
}

var _ packersdk.Artifact = (*Artifact)(nil)

// newArtifact describes an image that is about to be stored.
func newArtifact(store *oci.Store, img v1.Image, c *Config) (*Artifact, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	_, err = store.Get(digest.String())
	a := &Artifact{store: store, release: c.Release, isNew: platform.IsNotFound(err)}
	a.record = receipt.Receipt{
		ArtifactID: digest.String(),
		Digests:    map[string]string{"manifest": digest.String(), "config": m.Config.Digest.String()},
		Inputs: receipt.Inputs{
			Application: c.Application, Version: c.Version, Commit: c.Commit,
			InputDigest: c.InputDigest, Parent: c.Parent,
		},
	}
	for _, l := range m.Layers {
		a.record.Layers = append(a.record.Layers, l.Digest.String())
	}
	return a, nil
}

// BuilderId says that this builder made the artifact.
func (a *Artifact) BuilderId() string { return receipt.BuilderOCI }

// Files is the image's manifest, so that tools which hash an artifact's files, such
// as Packer's provenance post-processor, come to the image's digest.
func (a *Artifact) Files() []string { return []string{a.store.ManifestPath(a.record.ArtifactID)} }

// Id is the image's digest.
func (a *Artifact) Id() string { return a.record.ArtifactID }

func (a *Artifact) String() string {
	return fmt.Sprintf("OCI image %s in %s", a.record.ArtifactID, a.store.Dir())
}

// State answers StateReceipt; Packer carries only plain values from plugin to plugin.
func (a *Artifact) State(name string) any {
	if name != StateReceipt {
		return nil
	}
	raw, err := json.Marshal(a.record)
	if err != nil {
		return nil
	}
	return string(raw)
}

// Destroy takes back what this bake put into the store. An image that was there
// before, or that another bake made too, stays.
func (a *Artifact) Destroy() error {
	switch {
	case !a.isNew:
		return nil
	case a.release != "":
		return a.store.Discard(a.record.ArtifactID, a.release)
	default:
		return a.store.Remove(a.record.ArtifactID)
	}
}
