package oci

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/switchyard/switchyard/release"
)

// The annotations of an image's manifest that carry its provenance.
const (
	AnnotationTitle       = "org.opencontainers.image.title"
	AnnotationVersion     = "org.opencontainers.image.version"
	AnnotationRevision    = "org.opencontainers.image.revision"
	AnnotationCreated     = "org.opencontainers.image.created"
	AnnotationBaseDigest  = "org.opencontainers.image.base.digest"
	AnnotationInputDigest = "dev.switchyard.input-digest"

	// AnnotationRelease stands in the store's index, not in the manifest: two
	// releases that bake the same inputs must get the same digest.
	AnnotationRelease = "dev.switchyard.release"

	annotationPending = "dev.switchyard.pending"
	annotationStored  = "dev.switchyard.stored"
)

// Meta is the provenance of an image. Everything in it is part of the digest.
type Meta struct {
	Application string
	Version     string
	Commit      string
	InputDigest string
	Base        string    // digest of the parent image; empty without a parent
	Created     time.Time // an input, such as the time of the commit, never the clock; zero means 1970-01-01
}

func (m Meta) annotations() map[string]string {
	all := map[string]string{
		AnnotationTitle:       m.Application,
		AnnotationVersion:     m.Version,
		AnnotationRevision:    m.Commit,
		AnnotationCreated:     m.created().Format(time.RFC3339),
		AnnotationBaseDigest:  m.Base,
		AnnotationInputDigest: m.InputDigest,
	}
	for k, v := range all {
		if v == "" {
			delete(all, k)
		}
	}
	return all
}

func (m Meta) created() time.Time {
	if m.Created.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return m.Created.UTC().Truncate(time.Second)
}

// Assemble makes an image of the parent's layers, taken as they are, and one more
// on top. parent and layer may be nil, though not both: an image without content is
// refused. The same arguments give the same digest.
func Assemble(parent v1.Image, layer v1.Layer, m Meta) (v1.Image, error) {
	if parent == nil && layer == nil {
		return nil, fmt.Errorf("assemble image %s %s: it has no content (add a parent, or a provisioner that puts files into the image)", m.Application, m.Version)
	}
	config := &v1.ConfigFile{
		Architecture: runtime.GOARCH,
		OS:           "linux",
		Created:      v1.Time{Time: m.created()},
		RootFS:       v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	var adds []mutate.Addendum
	if parent != nil {
		pc, err := parent.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("read the configuration of the parent image: %w", err)
		}
		config.Config, config.Architecture, config.OS = pc.Config, pc.Architecture, pc.OS
		layers, err := parent.Layers()
		if err != nil {
			return nil, fmt.Errorf("read the layers of the parent image: %w", err)
		}
		for _, l := range layers {
			adds = append(adds, addendum(l, m, "parent image"))
		}
	}
	if layer != nil {
		adds = append(adds, addendum(layer, m, "packer-plugin-switchyard"))
	}
	img, err := mutate.ConfigFile(img, config)
	if err != nil {
		return nil, err
	}
	if img, err = mutate.Append(img, adds...); err != nil {
		return nil, fmt.Errorf("assemble image %s %s: %w", m.Application, m.Version, err)
	}
	return mutate.Annotations(img, m.annotations()).(v1.Image), nil
}

func addendum(l v1.Layer, m Meta, by string) mutate.Addendum {
	return mutate.Addendum{Layer: l, History: v1.History{Created: v1.Time{Time: m.created()}, CreatedBy: by}}
}

// describe reads the provenance of an image. An image that does not say when it was
// created, or says 1970, gets the time it was stored.
func describe(ref string, img v1.Image, stored time.Time) (release.Image, error) {
	m, err := img.Manifest()
	if err != nil {
		return release.Image{}, fmt.Errorf("read manifest of image %s: %w", ref, err)
	}
	a := m.Annotations
	created, err := time.Parse(time.RFC3339, a[AnnotationCreated])
	if err != nil || created.Unix() <= 0 {
		created = stored
	}
	return release.Image{
		Ref:         ref,
		Application: a[AnnotationTitle],
		Version:     a[AnnotationVersion],
		Commit:      a[AnnotationRevision],
		InputDigest: a[AnnotationInputDigest],
		Base:        a[AnnotationBaseDigest],
		CreatedAt:   created,
	}, nil
}

// joinTags adds a bake tag to a list of them.
func joinTags(list, tag string) string {
	for _, t := range strings.Fields(list) {
		if t == tag {
			return list
		}
	}
	return strings.TrimSpace(list + " " + tag)
}

// dropTag takes a bake tag off a list of them.
func dropTag(list, tag string) string {
	var keep []string
	for _, t := range strings.Fields(list) {
		if t != tag {
			keep = append(keep, t)
		}
	}
	return strings.Join(keep, " ")
}
