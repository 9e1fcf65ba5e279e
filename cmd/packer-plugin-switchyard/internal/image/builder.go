package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/multistep"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/switchyard/switchyard/platform/local/oci"
)

// Builder is the source "switchyard-oci".
type Builder struct {
	config Config
}

var _ packersdk.Builder = (*Builder)(nil)

// ConfigSpec describes the source block to Packer.
func (b *Builder) ConfigSpec() hcldec.ObjectSpec { return b.config.FlatMapstructure().HCL2Spec() }

// Prepare checks the source block.
func (b *Builder) Prepare(raws ...any) ([]string, []string, error) {
	return nil, nil, b.config.prepare(raws...)
}

// Run makes the image. Cancelling ctx ends running commands at once and removes
// everything that was made for this bake.
func (b *Builder) Run(ctx context.Context, ui packersdk.Ui, hook packersdk.Hook) (packersdk.Artifact, error) {
	store, err := oci.Open(b.config.Store)
	if err != nil {
		return nil, err
	}
	bake := &bake{config: &b.config, store: store, ui: ui, hook: hook}
	state := new(multistep.BasicStateBag)
	runner := &multistep.BasicRunner{Steps: []multistep.Step{
		&stepStage{bake: bake},
		&stepProvision{bake: bake},
		&stepCommit{bake: bake},
	}}
	runner.Run(ctx, state)

	if err, failed := state.GetOk("error"); failed {
		return nil, err.(error)
	}
	if _, cancelled := state.GetOk(multistep.StateCancelled); cancelled || ctx.Err() != nil {
		return nil, errors.New("the bake was cancelled")
	}
	if bake.result == nil {
		return nil, fmt.Errorf("the bake of %s %s ended without an image", b.config.Application, b.config.Version)
	}
	return bake.result, nil
}
