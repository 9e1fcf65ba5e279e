//go:generate packer-sdc mapstructure-to-hcl2 -type Config

// Package image is the builder "switchyard-oci". It makes an OCI image in a local
// store: the root file system of an optional parent image is laid out in a staging
// directory, Packer's provisioners change it through a communicator of our own, and
// what changed becomes one new layer on top of the parent's layers. The same inputs
// give the same digest.
package image

import (
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/switchyard/switchyard/platform/local/oci"
)

// Config is the source block of a template.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`

	// Directory of the image store; made when it is not there.
	Store string `mapstructure:"store" required:"true"`
	// Digest of the image to build on ("sha256:…"). Empty: start from nothing.
	Parent string `mapstructure:"parent"`
	// Name and version of what the image holds.
	Application string `mapstructure:"application" required:"true"`
	Version     string `mapstructure:"version" required:"true"`
	// Commit the version was built from.
	Commit string `mapstructure:"commit"`
	// Creation time to put on the image, in RFC 3339. It is part of the digest, so it
	// should be the commit's time and never the clock's. Empty: 1970-01-01.
	Created string `mapstructure:"created"`
	// Digest over everything the bake reads, kept on the image.
	InputDigest string `mapstructure:"input_digest"`
	// Tag of the bake, usually the release's id. An image baked with a tag is kept
	// only once whoever asked for it has accepted it. Empty: kept at once.
	Release string `mapstructure:"release"`

	ctx interpolate.Context
}

// prepare decodes the template's values and reports everything that is wrong with them.
func (c *Config) prepare(raws ...any) error {
	err := config.Decode(c, &config.DecodeOpts{
		PluginType:         "switchyard.oci",
		Interpolate:        true,
		InterpolateContext: &c.ctx,
	}, raws...)
	if err != nil {
		return err
	}
	var errs *packersdk.MultiError
	require := func(name, value string) {
		if value == "" {
			errs = packersdk.MultiErrorAppend(errs, fmt.Errorf("%s must not be empty", name))
		}
	}
	require("store", c.Store)
	require("application", c.Application)
	require("version", c.Version)
	if _, err := c.created(); err != nil {
		errs = packersdk.MultiErrorAppend(errs, err)
	}
	if c.Parent != "" {
		if _, err := v1.NewHash(c.Parent); err != nil {
			errs = packersdk.MultiErrorAppend(errs, fmt.Errorf("parent %q is not a digest like sha256:<64 hex digits>: %w", c.Parent, err))
		}
	}
	if errs != nil && len(errs.Errors) > 0 {
		return errs
	}
	return nil
}

func (c *Config) created() (time.Time, error) {
	if c.Created == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, c.Created)
	if err != nil {
		return t, fmt.Errorf("created %q is not a time like 2026-01-31T12:00:00Z", c.Created)
	}
	if t.Year() < 1970 {
		return t, errors.New("created lies before 1970")
	}
	return t, nil
}

func (c *Config) meta() oci.Meta {
	created, _ := c.created() // checked by prepare
	return oci.Meta{
		Application: c.Application,
		Version:     c.Version,
		Commit:      c.Commit,
		InputDigest: c.InputDigest,
		Base:        c.Parent,
		Created:     created,
	}
}
