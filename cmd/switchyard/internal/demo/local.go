package demo

import (
	"context"
	_ "embed"
	"fmt"
	"path/filepath"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local"
	"github.com/switchyard/switchyard/release/spec"
)

//go:embed spec.yaml.tmpl
var localSpec string

// localStage is the local cloud of the stack.
type localStage struct{}

func (*localStage) platform() string { return spec.PlatformLocal }

func (*localStage) prepare(context.Context, *demo) error { return nil }

func (*localStage) end() error { return nil }

func (*localStage) spec(d *demo, c chapter) (string, any) {
	return localSpec, struct {
		chapter
		Template string
	}{c, filepath.Join(d.options.Examples, "packer", "app")}
}

func (*localStage) leftOver(ctx context.Context, d *demo) (left []string, err error) {
	cloud, err := local.Open(d.stack.CloudEndpoint)
	if err != nil {
		return nil, err
	}
	kept := d.survivors()
	orphans, err := cloud.Orphans(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range orphans {
		if !kept.images[o.ID] {
			left = append(left, fmt.Sprintf("%s %s %s", o.Kind, o.ID, o.Detail))
		}
	}
	status, err := cloud.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range status.Fleets {
		if !kept.fleets[f.Region+"/"+f.Name] {
			left = append(left, "fleet "+f.Name+" in "+f.Region)
		}
		if f.ScaleInHeld != "" {
			left = append(left, "scale-in hold of "+f.ScaleInHeld+" on "+f.Name)
		}
	}
	images, err := cloud.Platform().Images.Find(ctx, platform.ImageQuery{})
	if err != nil {
		return nil, err
	}
	for _, i := range images {
		if !kept.images[i.Ref] {
			left = append(left, "image "+i.Ref)
		}
	}
	return left, nil
}
