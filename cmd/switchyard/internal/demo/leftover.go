package demo

import (
	"context"
	"fmt"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

// survivors are what the releases' ledgers keep: fleets by region/name, images by ref.
type survivors struct{ fleets, images map[string]bool }

func (d *demo) survivors() survivors {
	s := survivors{fleets: map[string]bool{}, images: map[string]bool{}}
	for _, state := range d.states {
		s.images[state.Image.Ref] = true
		for _, ref := range state.Image.Regions {
			s.images[ref] = true
		}
		for _, r := range state.Ledger {
			if r.Kind == release.KindFleet {
				s.fleets[r.Region+"/"+r.Name] = r.Status == release.LedgerKept
			}
		}
	}
	return s
}

// leftOver lists what exists after the story and should not: what the platform can't
// account for, fleets and images that no release's ledger keeps, releases that still run.
func (d *demo) leftOver(ctx context.Context) ([]string, error) {
	left, err := d.stage.leftOver(ctx, d)
	if err != nil {
		return nil, err
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
