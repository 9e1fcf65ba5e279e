package release_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func minutes(n int) spec.Duration { return spec.Duration(time.Duration(n) * time.Minute) }

// planned is what the plan of a changed request tells, with four instances that serve now.
func planned(t *testing.T, change func(*release.Request)) []string {
	r := aRequest()
	r.Spec.Fleet.Instances = 4
	change(&r)
	p, err := release.MakePlan(r, observed(serving("local-a", previous, 4)))
	require.NoError(t, err)
	return p.Steps
}

func TestThePlanTellsACanary(t *testing.T) {
	steps := planned(t, func(r *release.Request) {
		r.Spec.Traffic = spec.Traffic{
			Strategy: spec.CanaryWay,
			Canary:   &spec.Canary{Steps: []spec.CanaryStep{{Weight: 10, Hold: minutes(10)}, {Weight: 50, Hold: minutes(30)}}},
			Analysis: &spec.Analysis{Interval: minutes(1), Checks: []spec.Check{{Name: "a"}, {Name: "b"}}, Compare: []spec.Comparison{{Name: "c"}}},
		}
		r.Spec.Rollback = spec.Rollback{Within: minutes(2), Steps: []spec.RollbackStep{{Weight: 50, Hold: minutes(1)}, {Weight: 10, Hold: minutes(2)}}}
		r.Spec.Soak.Readiness = minutes(5)
		r.Spec.DeadMan = spec.DeadMan{After: spec.Duration(72 * time.Hour), Then: spec.DeadManKeep}
	})
	assert.Equal(t, []string{
		"bake checkout 2.0.0 with Packer template image.pkr.hcl, at most 30m",
		"scan the image for secrets",
		"local-a: provision 1 of 4 instances as fleet checkout-production-r42, verify 2 rounds in a row",
		"local-a: move traffic from checkout-production-r41 (1.0.0) to checkout-production-r42 (2.0.0) in steps: 10 % on 1 instance for 10m, 50 % on 2 instances for 30m, then all of it on 4 instances",
		"a step is taken only when 2 checks and 1 comparison with the live fleet are good, looked at every 1m; without a verdict it waits for a person",
		"soak 24h, every fleet that has served stays up, looked at every 1m",
		"prove every 5m that a rollback would work; without that proof nothing is taken away",
		"a rollback first grows the previous fleet to the load, for at most 2m; then the candidate goes down to 50 % for 1m, 10 % for 2m, then to nothing",
		"local-a: see checkout-production-r41 without a request for 10s, take it out of the route, stop its instances",
		"local-a: delete checkout-production-r41 (the point of no return)",
		"keep the newest 5 images",
		"a wait for a person that no order comes for in 72h ends the release: aborted before traffic moves, rolled back while it is split, with the previous fleet left for a person after that",
	}, steps)
}

func TestThePlanTellsARollingRelease(t *testing.T) {
	steps := strings.Join(planned(t, func(r *release.Request) {
		r.Spec.Traffic = spec.Traffic{Strategy: spec.RollingBy, Rolling: &spec.Rolling{
			Batch: 25, Surge: ptr(spec.Percent(25)), MinHealthy: ptr(spec.Percent(75)), WarmUp: ptr(minutes(2)), Keep: 1,
		}}
	}), "\n")
	assert.Contains(t, steps, "local-a: provision 1 of 4 instances as fleet checkout-production-r42")
	assert.Contains(t, steps, "local-a: roll from checkout-production-r41 (1.0.0) to checkout-production-r42 (2.0.0) in 4 batches, each watched for 2m; 3 to 5 instances in service; the previous fleet keeps 1 instance")
	assert.Contains(t, steps, "a step is taken only when the checks of verification and the error rate are good; without a verdict it waits for a person")
}

func TestAFirstReleaseHasNoSteps(t *testing.T) {
	r := aRequest()
	r.Spec.Traffic = spec.Traffic{Strategy: spec.CanaryWay, Canary: &spec.Canary{Steps: []spec.CanaryStep{{Weight: 10}}}}
	r.Spec.Rollback.Within = minutes(2)
	p, err := release.MakePlan(r, observed(release.ObservedRegion{Name: "local-a"}))
	require.NoError(t, err)
	steps := strings.Join(p.Steps, "\n")
	assert.Contains(t, steps, "local-a: provision 2 instances as fleet")
	assert.Contains(t, steps, "local-a: first release, give checkout-production-r42 all traffic")
	assert.NotContains(t, steps, "a step is taken only")
	assert.NotContains(t, steps, "a rollback first grows", "there is nothing to go back to")
}

func TestThePlanTellsTheMigrations(t *testing.T) {
	half := func(m spec.Migration) *spec.Migration { m.Timeout = minutes(30); return &m }
	steps := planned(t, func(r *release.Request) {
		r.Spec.Migrations = &spec.Migrations{
			Schema: 8, Floor: 7,
			Expand:   half(spec.Migration{Command: &spec.MigrationCommand{Run: []string{"migrate", "up"}}}),
			Contract: half(spec.Migration{Temporal: &spec.MigrationTemporal{Workflow: "Contract", TaskQueue: "db"}}),
		}
	})
	at := func(text string) int {
		for i, s := range steps {
			if strings.Contains(s, text) {
				return i
			}
		}
		t.Fatalf("no step says %q: %v", text, steps)
		return -1
	}
	expand := at("expand the database to schema 8: run migrate up, at most 30m")
	contract := at("contract the database: run workflow Contract on task queue db, at most 30m; builds that need an older schema than 7 do not run any more")
	assert.Less(t, at("bake checkout"), expand)
	assert.Less(t, expand, at("provision"))
	assert.Less(t, at("the point of no return"), contract, "older builds are gone before the database is contracted")

	called := planned(t, func(r *release.Request) {
		r.Spec.Migrations = &spec.Migrations{Schema: 8, Expand: half(spec.Migration{HTTP: &spec.MigrationHTTP{URL: "https://db.example/expand"}})}
	})
	assert.Contains(t, called, "expand the database to schema 8: call https://db.example/expand, at most 30m")
}

func TestThePlanTellsTheWindow(t *testing.T) {
	for want, w := range map[string]spec.Window{
		"wait for the window 02:00–04:00 UTC":                              {From: "02:00", To: "04:00", TimeZone: "UTC"},
		"wait for the window 02:00–04:00 UTC on sat, sun":                  {From: "02:00", To: "04:00", Days: []string{"sat", "sun"}, TimeZone: "UTC"},
		`wait for a window of 2h that opens at cron time "30 2 * * 1" UTC`: {Cron: "30 2 * * 1", For: minutes(120), TimeZone: "UTC"},
		"wait for the lowest 2h of the request curve of the last 7 days Europe/Berlin, with at most 80% of the mean traffic": {
			Measured: &spec.Measured{Days: 7, Length: minutes(120), AtMost: 80}, TimeZone: "Europe/Berlin"},
		"wait for the lowest 2h of the request curve of the last 7 days after 22:00 until 06:00 UTC, with at most 80% of the mean traffic": {
			Measured: &spec.Measured{Days: 7, Length: minutes(120), After: "22:00", Until: "06:00", AtMost: 80}, TimeZone: "UTC"},
	} {
		assert.Contains(t, planned(t, func(r *release.Request) { r.Spec.Decommission.Window = &w }), want)
	}
}

func TestThePlanTellsHowThePreviousFleetGoes(t *testing.T) {
	steps := planned(t, func(r *release.Request) {
		r.Spec.Decommission = spec.Decommission{Hold: minutes(60), Quiet: minutes(1), Stopped: minutes(120)}
		r.Spec.DeadMan = spec.DeadMan{After: minutes(60), Then: spec.DeadManRollback}
	})
	assert.Contains(t, steps, "hold the previous fleet for another 1h")
	assert.Contains(t, steps, "local-a: see checkout-production-r41 without a request for 1m, take it out of the route, stop its instances and keep them for 2h")
	assert.Contains(t, steps, "a wait for a person that no order comes for in 1h ends the release: aborted before traffic moves, rolled back while it is split, rolled back after that")
}

func TestAShortenedSoakIsMarked(t *testing.T) {
	short := func(r *release.Request) {
		r.Spec.Soak.Duration, r.SoakWas = ptr(minutes(60)), spec.Duration(24*time.Hour)
	}
	assert.Contains(t, planned(t, short), "soak 1h, shortened from 24h as asked for by ada, every fleet that has served stays up, looked at every 1m")
	assert.NotContains(t, strings.Join(planned(t, func(r *release.Request) { r.SoakWas = minutes(5) }), "\n"), "shortened", "a longer one is not")
	assert.Contains(t, planned(t, func(r *release.Request) { r.OverrideFreeze = "security fix" })[0], "begin although the target may be frozen, as asked for by ada: security fix")
}

func TestPlanWithARetainedImage(t *testing.T) {
	r := aRequest()
	r.Spec.Image = spec.Image{Retained: "1.0.0"}
	seen := observed(serving("local-a", previous, 2))
	_, err := release.MakePlan(r, seen)
	require.EqualError(t, err, "plan release r42: no image of version 1.0.0 of checkout is kept; bake it again with image.packer")
	seen.Retained = &release.Image{Ref: "sha256:old", Version: "1.0.0"}
	p, err := release.MakePlan(r, seen)
	require.NoError(t, err)
	assert.Equal(t, release.PlanImage{Action: release.ImageRetained, Ref: "sha256:old"}, p.Image)
	assert.Equal(t, "use image sha256:old of version 1.0.0, which is still kept; nothing is baked", p.Steps[0])
}

// A build that the contracted database does not carry any more is refused before
// anything is made; before the contract every one goes.
func TestPlansBelowTheFloorAreRefused(t *testing.T) {
	builds := []release.Build{{Version: "1.0.0", Needs: 6}, {Version: "2.0.0", Needs: 7}}
	const below = "needs schema 6 of the database, which was contracted: only builds that need 7 or a newer one run now"
	for _, c := range []struct {
		name     string
		retained string
		needs    int
		floor    int
		want     string
	}{
		{"not contracted", "1.0.0", 0, 0, ""},
		{"forward", "", 8, 7, ""},
		{"forward without a word on the schema", "", 0, 7, ""},
		{"forward with an older build", "", 6, 7, "version 2.0.0 " + below},
		{"back to a build at the floor", "2.0.0", 0, 7, ""},
		{"back to a build below the floor", "1.0.0", 0, 7, "version 1.0.0 " + below},
		{"the spec speaks of the newer build", "1.0.0", 8, 7, "version 1.0.0 " + below},
		{"a build that nobody knows", "0.9.0", 0, 7, "it is not known which schema version 0.9.0 needs; say so in migrations.schema"},
		{"a build that the spec knows", "0.9.0", 7, 7, ""},
	} {
		r := aRequest()
		seen := observed(serving("local-a", previous, 2))
		seen.Schema = release.Schema{Version: 8, Floor: c.floor, Builds: builds}
		if c.retained != "" {
			r.Spec.Version = c.retained
			r.Spec.Image = spec.Image{Retained: c.retained}
			seen.Retained = &release.Image{Ref: "sha256:old"}
		}
		if c.needs > 0 {
			r.Spec.Migrations = &spec.Migrations{Schema: c.needs}
		}
		_, err := release.MakePlan(r, seen)
		if c.want == "" {
			require.NoError(t, err, c.name)
		} else {
			require.ErrorContains(t, err, c.want, c.name)
		}
	}
}
