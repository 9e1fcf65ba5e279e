package activities_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// asked are fleets that remember which image a preflight asked about, by region.
type asked struct {
	platform.Fleets
	images map[string]string
}

func (f *asked) Preflight(_ context.Context, s platform.FleetSpec) ([]platform.Finding, error) {
	f.images[s.Region] = s.Image
	return nil, nil
}

func TestAPreflightAsksAboutTheImageThatTheRegionKnows(t *testing.T) {
	const other = "local-b"
	for name, c := range map[string]struct {
		existing string
		regions  map[string]string // of the image that is there, by region
		want     map[string]string
	}{
		"named, and copied later":  {existing: "ami-1", regions: map[string]string{region: "ami-1"}, want: map[string]string{region: "ami-1", other: ""}},
		"reused with its copy":     {regions: map[string]string{region: "ami-1", other: "ami-2"}, want: map[string]string{region: "ami-1", other: "ami-2"}},
		"reused, and copied later": {regions: map[string]string{region: "ami-1"}, want: map[string]string{region: "ami-1", other: ""}},
		"baked later":              {want: map[string]string{region: "", other: ""}},
	} {
		t.Run(name, func(t *testing.T) {
			b, in := planBench(t)
			fleets := &asked{images: map[string]string{}}
			p := b.cloud.Platform("fake")
			fleets.Fleets, p.Fleets = p.Fleets, fleets
			b.all.Planner.Platforms["fake"] = platform.Fixed(p)
			in.Request.Spec.Regions = append(in.Request.Spec.Regions, spec.Region{Name: other})
			if c.existing != "" {
				in.Request.Spec.Image = spec.Image{Existing: c.existing}
			}
			if c.regions != nil {
				b.cloud.Store(release.Image{Ref: "ami-1", Application: "checkout", InputDigest: "sha256:inputs", Regions: c.regions}, "")
			}
			_, err := run[release.Plan](b, activities.MakePlan, in)
			require.NoError(t, err)
			require.Equal(t, c.want, fleets.images)
		})
	}
}
