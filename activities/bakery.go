package activities

import (
	"context"

	"github.com/switchyard/switchyard/release/spec"
)

// Bakery is what the activities need of Packer. Its errors are application errors
// of type ErrTemplate where the template, or what it runs, is wrong.
type Bakery interface {
	// InputDigest is "sha256:…" over everything that the bake of the spec would read.
	InputDigest(ctx context.Context, s spec.Spec) (string, error)
	// Bake bakes and returns the ref of the accepted image. Each line of progress is
	// given to told. A cancelled bake has cleaned up when it returns.
	Bake(ctx context.Context, o BakeOrder, told func(line string)) (string, error)
	// VerifyProvenance proves how the image was built, or says why it can't.
	VerifyProvenance(ctx context.Context, image, publicKey string) error
}

// BakeOrder is one bake.
type BakeOrder struct {
	Release     string
	Tag         string // on everything the bake makes; no other target's bake has it
	Spec        spec.Spec
	InputDigest string
	Secrets     map[string]string // values; they go to Packer's environment and nowhere else

	// Inspect judges the files of the image before it is accepted, that is before
	// anybody else can find it. Its error ends the bake, and the image goes.
	Inspect func(ctx context.Context, root string) error
}
