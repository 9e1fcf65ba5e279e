package images

import (
	"time"

	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
)

// Tags is the provenance of an image that is about to be baked, as tags for
// everything its bake makes. image.CreatedAt is when the bake began. What is empty has
// no tag. bake is the bake's tag, by which Sweep finds what is left of it.
func Tags(image release.Image, releaseID, bake string) map[string]string {
	tags := map[string]string{
		tag.Application: image.Application,
		tag.Version:     image.Version,
		tag.Commit:      image.Commit,
		tag.Base:        image.Base,
		tag.InputDigest: image.InputDigest,
		tag.Release:     releaseID,
		tag.Bake:        bake,
	}
	if !image.CreatedAt.IsZero() {
		tags[tag.Built] = image.CreatedAt.UTC().Format(builtForm)
	}
	for key, value := range tags {
		if value == "" {
			delete(tags, key)
		}
	}
	return tags
}

// builtForm sorts as text, and tells two bakes of the same second apart.
const builtForm = "2006-01-02T15:04:05.000Z"

func now() string { return time.Now().UTC().Format(builtForm) }
