package demo

import (
	"context"
	"fmt"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

// leftOver lists what exists after the story and should not: processes, images and
// routes the local cloud can't account for, fleets and images that no release's
// ledger keeps, releases that still run.
func (d *demo) leftOver(ctx context.Context) ([]string, error) {
	keptFleets, keptImages := map[string]bool{}, map[string]bool{}
	for _, s := range d.states {
		keptImages[s.Image.Ref] = true
		for _, r := range s.Ledger {
			if r.Kind == release.KindFleet {
				keptFleets[r.Name] = r.Status == release.LedgerKept
			}
		}
	}
	var left []string
	orphans, err := d.cloud.Orphans(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range orphans {
		if !keptImages[o.ID] {
			left = append(left, fmt.Sprintf("%s %s %s", o.Kind, o.ID, o.Detail))
		}
	}
	status, err := d.cloud.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range status.Fleets {
		if !keptFleets[f.Name] {
			left = append(left, "fleet "+f.Name+" in "+f.Region)
		}
		if f.ScaleInHeld != "" {
			left = append(left, "scale-in hold of "+f.ScaleInHeld+" on "+f.Name)
		}
	}
	images, err := d.cloud.Platform().Images.Find(ctx, platform.ImageQuery{})
	if err != nil {
		return nil, err
	}
	for _, i := range images {
		if !keptImages[i.Ref] {
			left = append(left, "image "+i.Ref)
		}
	}
	return d.openReleases(ctx, left)
}

// openReleases asks each release itself: visibility may lag behind.
func (d *demo) openReleases(ctx context.Context, left []string) ([]string, error) {
	for _, s := range d.states {
		id := release.ReleaseWorkflowID(s.Request.Target(), s.Request.ID)
		desc, err := d.client.DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", id, err)
		}
		if desc.GetWorkflowExecutionInfo().GetCloseTime() == nil {
			left = append(left, "workflow "+id)
		}
	}
	env, err := starter.QueryEnvironment(ctx, d.client, d.states[0].Request.Target())
	if err != nil {
		return nil, err
	}
	if env.Holder != nil || len(env.Queue) > 0 {
		left = append(left, "the environment is still held")
	}
	return left, nil
}
