//go:generate packer-sdc mapstructure-to-hcl2 -type Config

// Package receipts is the post-processor "switchyard-receipt": it writes down what a
// build made, in a file that is there as a whole or not at all. It works behind any
// builder; behind switchyard-oci it knows the digests and inputs by itself.
package receipts

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/switchyard/switchyard/activities/packer/receipt"
	"github.com/switchyard/switchyard/cmd/packer-plugin-switchyard/internal/image"
	"github.com/switchyard/switchyard/platform/local/oci"
)

// Config is the post-processor block of a template.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`

	// File to write. Empty: none is written, for builds by hand.
	Path string `mapstructure:"path"`
	// What was asked for, where the builder does not know it.
	Application string `mapstructure:"application"`
	Version     string `mapstructure:"version"`
	Commit      string `mapstructure:"commit"`
	InputDigest string `mapstructure:"input_digest"`
	Parent      string `mapstructure:"parent"`
	// Identifies the attempt; put on the receipt as it is.
	Token string `mapstructure:"token"`

	ctx interpolate.Context
}

// PostProcessor is the post-processor "switchyard-receipt".
type PostProcessor struct {
	config Config
}

var _ packersdk.PostProcessor = (*PostProcessor)(nil)

// ConfigSpec describes the post-processor block to Packer.
func (p *PostProcessor) ConfigSpec() hcldec.ObjectSpec { return p.config.FlatMapstructure().HCL2Spec() }

// Configure reads the post-processor block.
func (p *PostProcessor) Configure(raws ...any) error {
	return config.Decode(&p.config, &config.DecodeOpts{
		PluginType:         "switchyard.receipt",
		Interpolate:        true,
		InterpolateContext: &p.config.ctx,
	}, raws...)
}

// PostProcess writes the receipt and keeps the artifact whatever the template says.
func (p *PostProcessor) PostProcess(_ context.Context, ui packersdk.Ui, a packersdk.Artifact) (packersdk.Artifact, bool, bool, error) {
	if p.config.Path == "" {
		ui.Say("No path for a receipt: none is written")
		return a, true, true, nil
	}
	r, err := p.receipt(a)
	if err != nil {
		return a, true, true, err
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return a, true, true, err
	}
	if err := os.MkdirAll(filepath.Dir(p.config.Path), 0o755); err != nil {
		return a, true, true, fmt.Errorf("write receipt: %w", err)
	}
	if err := oci.WriteFileAtomic(p.config.Path, append(raw, '\n'), 0o644); err != nil {
		return a, true, true, fmt.Errorf("write receipt: %w", err)
	}
	ui.Machine("switchyard-progress", "receipt", r.ArtifactID)
	ui.Say("Receipt of " + r.ArtifactID + " is in " + p.config.Path)
	return a, true, true, nil
}

func (p *PostProcessor) receipt(a packersdk.Artifact) (receipt.Receipt, error) {
	var r receipt.Receipt
	if known, ok := a.State(image.StateReceipt).(string); ok && known != "" {
		if err := json.Unmarshal([]byte(known), &r); err != nil {
			return r, fmt.Errorf("read what the builder says about its artifact: %w", err)
		}
	}
	r.Schema = receipt.Schema
	r.BuilderID = a.BuilderId()
	r.ArtifactID = a.Id()
	r.Build = p.config.PackerBuilderType + "." + p.config.PackerBuildName
	r.PackerRunUUID = os.Getenv("PACKER_RUN_UUID")
	r.Token = p.config.Token
	for _, field := range []struct {
		to   *string
		from string
	}{
		{&r.Inputs.Application, p.config.Application},
		{&r.Inputs.Version, p.config.Version},
		{&r.Inputs.Commit, p.config.Commit},
		{&r.Inputs.InputDigest, p.config.InputDigest},
		{&r.Inputs.Parent, p.config.Parent},
	} {
		if *field.to == "" {
			*field.to = field.from
		}
	}
	return r, nil
}
