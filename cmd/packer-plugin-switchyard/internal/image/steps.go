package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/hashicorp/packer-plugin-sdk/multistep"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/switchyard/switchyard/platform/local/oci"
)

// bake is what the steps share.
type bake struct {
	config  *Config
	store   *oci.Store
	ui      packersdk.Ui
	hook    packersdk.Hook // runs the template's provisioners
	comm    *rootCommunicator
	staging *oci.Staging
	parent  v1.Image // nil without a parent
	before  oci.Tree // the root before the provisioners
	result  *Artifact
}

// progress says on both outputs how far the bake is: a sentence for people, and a
// line of our own kind in Packer's machine-readable output.
func (b *bake) progress(stage, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	b.ui.Machine("switchyard-progress", stage, detail)
	b.ui.Say(detail)
}

func halt(state multistep.StateBag, err error) multistep.StepAction {
	state.Put("error", err)
	return multistep.ActionHalt
}

// stepStage lays the parent's root out in a staging directory and offers it to the
// provisioners.
type stepStage struct{ bake *bake }

func (s *stepStage) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	b := s.bake
	staging, err := b.store.NewStaging(b.config.Release)
	if err != nil {
		return halt(state, err)
	}
	b.staging = staging
	if b.config.Parent != "" {
		if err := s.layOutParent(); err != nil {
			return halt(state, fmt.Errorf("lay out parent image %s: %w", b.config.Parent, err))
		}
	} else {
		b.progress("stage", "Starting from an empty root")
	}
	if b.before, err = oci.Snapshot(staging.Root); err != nil {
		return halt(state, err)
	}
	created, _ := b.config.created()
	b.comm = &rootCommunicator{
		bake: ctx,
		root: staging.Root,
		temp: staging.Temp,
		env:  []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(max(created.Unix(), 0), 10)},
	}
	return multistep.ActionContinue
}

func (s *stepStage) layOutParent() error {
	b := s.bake
	parent, err := b.store.Get(b.config.Parent)
	if err != nil {
		return err
	}
	layers, err := parent.Layers()
	if err != nil {
		return err
	}
	b.progress("stage", "Starting from image %s with %d layer(s)", b.config.Parent, len(layers))
	b.parent = parent
	return oci.Extract(parent, b.staging.Root)
}

func (s *stepStage) Cleanup(multistep.StateBag) {
	if s.bake.staging == nil {
		return
	}
	if err := s.bake.staging.Close(); err != nil {
		s.bake.ui.Error(fmt.Sprintf("Staging directory stays behind, remove it by hand: %s", err))
	}
}

// stepProvision runs the template's provisioners. It is the SDK's step of that name
// without its connections to remote machines, and it waits for the provisioners to
// end after a cancellation, which kills their commands: the root must not change
// while it is removed.
type stepProvision struct{ bake *bake }

func (s *stepProvision) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	if err := s.bake.hook.Run(ctx, packersdk.HookProvision, s.bake.ui, s.bake.comm, hookData()); err != nil {
		if ctx.Err() != nil {
			return multistep.ActionHalt
		}
		return halt(state, err)
	}
	return multistep.ActionContinue
}

// Cleanup gives the template's error-cleanup-provisioner its turn after a failure.
func (s *stepProvision) Cleanup(state multistep.StateBag) {
	if _, failed := state.GetOk("error"); !failed || s.bake.comm.bake.Err() != nil {
		return
	}
	if err := s.bake.hook.Run(s.bake.comm.bake, packersdk.HookCleanupProvision, s.bake.ui, s.bake.comm, hookData()); err != nil {
		s.bake.ui.Error(fmt.Sprintf("The error-cleanup-provisioner failed: %s", err))
	}
}

// hookData is what templates see as "build.…": there is no machine to describe.
func hookData() map[string]any {
	return map[string]any{
		"ID": "", "Host": "", "Port": 0, "User": "", "Password": "", "ConnType": "none",
		"SSHPublicKey": "", "SSHPrivateKey": "", "SSHPrivateKeyFile": "", "SSHAgentAuth": false, "WinRMPassword": "",
		"PackerRunUUID": os.Getenv("PACKER_RUN_UUID"),
		"PackerHTTPIP":  "", "PackerHTTPPort": "", "PackerHTTPAddr": "",
	}
}

// stepCommit turns what the provisioners did into a layer and stores the image.
type stepCommit struct{ bake *bake }

func (s *stepCommit) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	b := s.bake
	layer, err := oci.WriteLayer(filepath.Join(b.staging.Dir, "layer.tar"), b.staging.Root, b.before)
	if err != nil {
		return halt(state, err)
	}
	if layer == nil {
		b.progress("layer", "Nothing changed; the image has the layers of its parent")
	} else {
		size, _ := layer.Size()
		b.progress("layer", "New layer of %d bytes", size)
	}
	img, err := oci.Assemble(b.parent, layer, b.config.meta())
	if err != nil {
		return halt(state, err)
	}
	if ctx.Err() != nil {
		return multistep.ActionHalt // cancelled: nothing of this bake may enter the store
	}
	artifact, err := newArtifact(b.store, img, b.config)
	if err != nil {
		return halt(state, err)
	}
	if _, err := b.store.Put(img, oci.ForBake(b.config.Release)); err != nil {
		return halt(state, err)
	}
	b.result = artifact
	b.progress("image", "Image %s is in the store", artifact.Id())
	return multistep.ActionContinue
}

func (s *stepCommit) Cleanup(multistep.StateBag) {}
