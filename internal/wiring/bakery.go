// Package wiring decides what is behind a worker's ports: the platforms, and Packer,
// which bakes into the local image store or makes AMIs. Commands and end-to-end tests
// share it; the worker itself knows no platform.
package wiring

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/activities/packer"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws"
	"github.com/switchyard/switchyard/platform/local"
	"github.com/switchyard/switchyard/platform/local/oci"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Bakery bakes with the packer program: into the local cloud's image store, or AMIs.
type Bakery struct {
	PackerBin  string // absent: the one on PATH
	PluginDir  string
	StateDir   string // bakes get a folder each in it
	LocalCloud string // URL or directory of the local cloud
	AWS        AWS    // nil: bakes no AMIs
}

var _ activities.Bakery = (*Bakery)(nil)

// Platforms are the platforms of a worker: the local cloud at the URL or directory, and AWS.
func Platforms(localCloud string, onAWS *aws.AWS) (activities.Set, error) {
	p, err := local.New(localCloud)
	if err != nil {
		return nil, err
	}
	return activities.Set{local.Name: platform.Fixed(p), aws.Name: onAWS.Open}, nil
}

// BakeDir is the folder of a release's bakes; packer.log of each attempt is below it.
func BakeDir(stateDir string, t release.Target, releaseID string) string {
	return filepath.Join(stateDir, "bakes", release.FleetName(t, releaseID))
}

// InputDigest is the digest over everything the bake of the spec would read.
func (b *Bakery) InputDigest(ctx context.Context, s spec.Spec) (string, error) {
	if s.Image.Packer == nil {
		return "", acterr.Final(activities.ErrInvalidRequest, "the spec of %s has no Packer template", s.Application)
	}
	digest, err := bakeOf(ctx, s).InputDigest()
	if errors.Is(err, os.ErrNotExist) {
		return "", acterr.Final(activities.ErrTemplate, "%w (is the template there on the machine of the worker?)", err)
	}
	return digest, err
}

// bakeOf is the part of a bake that the spec decides. Secrets have their names only.
func bakeOf(ctx context.Context, s spec.Spec) packer.Bake {
	p := s.Image.Packer
	secrets := make(map[string]string, len(p.Secrets))
	for name := range p.Secrets {
		secrets[name] = ""
	}
	return packer.Bake{
		Template: p.Template, Only: p.Only, Variables: p.Variables, Secrets: secrets, Timeout: p.Timeout.Std(),
		Release: packer.Vars{
			Application: s.Application, Environment: s.Environment, Version: s.Version, Commit: s.Commit,
			Created: commitTime(ctx, filepath.Dir(p.Template), s.Commit), Parent: p.Parent,
		},
	}
}

// commitTime is when the commit was made, RFC 3339 in UTC, as the creation time of
// the image: the same for every bake of the commit. Empty when git does not know it.
func commitTime(ctx context.Context, dir, commit string) string {
	if commit == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "show", "-s", "--format=%cI", commit+"^{commit}").Output()
	if err != nil {
		return ""
	}
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(string(out)))
	if err != nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Bake bakes for the platform of the spec and returns the ref of the accepted image.
func (b *Bakery) Bake(ctx context.Context, o activities.BakeOrder, told func(string)) (string, error) {
	if o.Spec.Platform == spec.PlatformAWS {
		return b.bakeAMI(ctx, o, told)
	}
	endpoint, store, err := b.cloud(ctx)
	if err != nil {
		return "", err
	}
	bake, err := b.prepare(ctx, o)
	if err != nil {
		return "", err
	}
	bake.Release.Endpoint, bake.Release.Store = endpoint, store
	bake.Inspect = o.Inspect
	receipt, err := bake.Run(ctx, func(p packer.Progress) { told(p.Detail) })
	if err != nil {
		return "", bakeError(ctx, err)
	}
	return receipt.ArtifactID, nil
}

// prepare is what a bake needs on every platform.
func (b *Bakery) prepare(ctx context.Context, o activities.BakeOrder) (packer.Bake, error) {
	bin, err := b.packer()
	if err != nil {
		return packer.Bake{}, err
	}
	bake := bakeOf(ctx, o.Spec)
	bake.PackerBin, bake.PluginDir, bake.Secrets = bin, b.PluginDir, o.Secrets
	bake.WorkDir = BakeDir(b.StateDir, release.Target{Application: o.Spec.Application, Environment: o.Spec.Environment}, o.Release)
	bake.Release.Release, bake.Release.InputDigest = o.Tag, o.InputDigest
	return bake, nil
}

// bakeError says what a failed bake means: a template that is wrong, or what it runs,
// stays wrong; a Packer that died may live the next time.
func bakeError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch packer.KindOf(err) {
	case packer.Configuration, packer.Build, packer.NoReceipt:
		return acterr.Final(activities.ErrTemplate, "%s", err.Error()) // not as a cause, which would say it all twice
	}
	return err
}

// VerifyProvenance proves that the image was built by the owner of the key.
func (b *Bakery) VerifyProvenance(ctx context.Context, image, publicKey string) error {
	if isAMI(image) {
		return noAttestation(image)
	}
	_, dir, err := b.cloud(ctx)
	if err != nil {
		return err
	}
	bin, err := b.packer()
	if err != nil {
		return err
	}
	store, err := oci.Open(dir)
	if err != nil {
		return err
	}
	return packer.VerifyImage(ctx, bin, store, image, publicKey)
}

// cloud is where the local cloud is reached and keeps its images.
func (b *Bakery) cloud(ctx context.Context) (endpoint, store string, err error) {
	c, err := local.Open(b.LocalCloud)
	if err != nil {
		return "", "", err
	}
	status, err := c.Status(ctx)
	if err != nil {
		return "", "", err
	}
	return status.URL, filepath.Join(status.Dir, "images"), nil
}

func (b *Bakery) packer() (string, error) {
	if b.PackerBin != "" {
		return b.PackerBin, nil
	}
	path, err := exec.LookPath("packer")
	if err != nil {
		return "", platform.NewError(platform.KindInvalid, "find the packer program", "", "install Packer 1.11 or newer where the worker runs, or run `make tools`", err)
	}
	return path, nil
}
