package activities_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func bakeBench(t *testing.T) (*bench, *bakery, activities.BakeInput) {
	b := newBench(t)
	f := &bakery{cloud: b.cloud}
	b.all.Baker.Bakery = f
	t.Setenv("SWITCHYARD_TEST_TOKEN", "hunter2")
	return b, f, activities.BakeInput{
		Place: place, Regions: []string{"local-a", "local-b"},
		Spec: spec.Spec{Application: "checkout", Version: "2.0.0", Image: spec.Image{Packer: &spec.Packer{
			Template: "app.pkr.hcl", Secrets: map[string]string{"token": "env:SWITCHYARD_TEST_TOKEN"},
		}}},
		Plan: release.PlanImage{Action: release.ImageBake, InputDigest: "sha256:inputs"},
	}
}

func TestBakeMakesTheImageAvailableEverywhere(t *testing.T) {
	b, f, in := bakeBench(t)
	image, err := run[release.Image](b, activities.BakeImage, in)
	require.NoError(t, err)
	require.Equal(t, "sha256:new", image.Ref)
	require.Equal(t, map[string]string{"local-a": "sha256:new", "local-b": "sha256:new"}, image.Regions)
	require.Equal(t, "hunter2", f.secret, "secrets are resolved where Packer runs")
}

func TestBakeSweepsFirstAndTakesWhatAnEarlierAttemptFinished(t *testing.T) {
	b, f, in := bakeBench(t)
	b.cloud.Store(release.Image{Ref: "sha256:killed"}, "checkout/production/r2")
	f.lost = true
	_, err := run[release.Image](b, activities.BakeImage, in)
	requireKind(t, err, acterr.Unknown, false)
	require.False(t, b.cloud.HasImage("sha256:killed"))
	image, err := run[release.Image](b, activities.BakeImage, in)
	require.NoError(t, err)
	require.Equal(t, "sha256:new", image.Ref)
	require.Equal(t, 1, f.baked)
}

func TestBakeIsNotSkippedWhenItCannotBeToldWhetherAnImageExists(t *testing.T) {
	b, f, in := bakeBench(t)
	b.cloud.Fail("Images.Find", fakeplatform.Fault{Err: fakeplatform.Throttled})
	_, err := run[release.Image](b, activities.BakeImage, in)
	requireKind(t, err, string(platform.KindThrottled), false)
	require.Zero(t, f.baked)
}

func TestRebakeBakesThoughTheImageExists(t *testing.T) {
	b, f, in := bakeBench(t)
	b.cloud.Store(release.Image{Ref: "sha256:old", Application: "checkout", InputDigest: "sha256:inputs"}, "")
	in.Spec.Image.Packer.Rebake = true
	_, err := run[release.Image](b, activities.BakeImage, in)
	require.NoError(t, err)
	require.Equal(t, 1, f.baked)
}

func TestBakeOfAWrongTemplateIsFinalShowsPackersWordsAndLeavesNothing(t *testing.T) {
	b, f, in := bakeBench(t)
	f.err = acterr.Final(activities.ErrTemplate, "Error: unsupported argument on app.pkr.hcl line 3")
	_, err := run[release.Image](b, activities.BakeImage, in)
	app := requireKind(t, err, activities.ErrTemplate, true)
	require.Contains(t, app.Error(), "unsupported argument on app.pkr.hcl line 3")
	require.False(t, b.cloud.HasImage("sha256:half"))
}

func TestBakeThatCrashedIsRetried(t *testing.T) {
	b, f, in := bakeBench(t)
	f.err = errors.New("unexpected EOF")
	_, err := run[release.Image](b, activities.BakeImage, in)
	requireKind(t, err, acterr.Unknown, false)
	require.False(t, b.cloud.HasImage("sha256:half"))
}

func TestBakeNamesASecretReferenceThatIsMissing(t *testing.T) {
	b, f, in := bakeBench(t)
	in.Spec.Image.Packer.Secrets["token"] = "env:NOT_THERE"
	_, err := run[release.Image](b, activities.BakeImage, in)
	requireKind(t, err, activities.ErrInvalidRequest, true)
	require.ErrorContains(t, err, "env:NOT_THERE")
	require.Zero(t, f.baked)
}

func TestBakeThatIsCancelledSweepsAlthoughItsContextIsOver(t *testing.T) {
	b, f, in := bakeBench(t)
	f.entered = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := b.all.Baker.BakeImage(ctx, in)
		ended <- err
	}()
	<-f.entered
	require.True(t, b.cloud.HasImage("sha256:half"))
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.False(t, b.cloud.HasImage("sha256:half"))
}

func TestReusedAndExistingImagesAreReadAndCopied(t *testing.T) {
	for _, action := range []string{release.ImageReuse, release.ImageExisting} {
		b, f, in := bakeBench(t)
		in.Plan = release.PlanImage{Action: action, Ref: "sha256:there"}
		_, err := run[release.Image](b, activities.BakeImage, in)
		requireKind(t, err, string(platform.KindNotFound), false)
		b.cloud.Store(release.Image{Ref: "sha256:there", Version: "1.9.0"}, "")
		image, err := run[release.Image](b, activities.BakeImage, in)
		require.NoError(t, err)
		require.Equal(t, "1.9.0", image.Version)
		require.Len(t, image.Regions, 2)
		require.Zero(t, f.baked)
	}
}

func TestSweepBakeSaysWhatItRemoved(t *testing.T) {
	b := newBench(t)
	b.cloud.Store(release.Image{Ref: "sha256:half"}, "checkout/production/r2")
	b.cloud.Store(release.Image{Ref: "sha256:others"}, "checkout/staging/r2") // the same id, another target
	removed, err := run[[]string](b, activities.SweepBake, activities.SweepInput{Place: place})
	require.NoError(t, err)
	require.Equal(t, []string{"sha256:half"}, removed)
	require.True(t, b.cloud.HasImage("sha256:others"))
	_, err = run[[]string](b, activities.SweepBake, activities.SweepInput{Place: place})
	require.NoError(t, err)
}

// key looks like a private key to the scan and is none.
const key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx7Q1h2vDk3nq0yJm5sWc8uT4bR9eLfGz6KpXoAiVdNwYtHjM\nsB2lQrUeC1xZgFv7oPa3kSnD9mTyWhJ0i5uXqLc8RbEz4GdKfVtNpAoYwHj6MsI1\n-----END RSA PRIVATE KEY-----\n"

func scanBench(t *testing.T) (*bench, activities.ScanInput) {
	b := newBench(t)
	b.cloud.ImageRoot = t.TempDir()
	return b, activities.ScanInput{Place: place, Image: "sha256:new"}
}

func TestABakedImageWithSecretsIsRemovedUnlessAFleetRunsIt(t *testing.T) {
	for name, c := range map[string]struct {
		spec  spec.Image
		runs  bool
		stays bool
		says  string
	}{
		"baked":          {spec: spec.Image{Packer: &spec.Packer{}}, says: "the image was removed"},
		"baked and runs": {spec: spec.Image{Packer: &spec.Packer{}}, runs: true, stays: true, says: "a fleet runs it"},
		"existing":       {spec: spec.Image{Existing: "sha256:new"}, stays: true, says: "bake without them"},
	} {
		b, in := scanBench(t)
		in.Spec = c.spec
		b.cloud.Store(release.Image{Ref: "sha256:new"}, "")
		if c.runs {
			f := fleetOf(blue, "r1", 1)
			f.Image = "sha256:new"
			b.cloud.Place(f)
		}
		require.NoError(t, os.WriteFile(filepath.Join(b.cloud.ImageRoot, "id_rsa"), []byte(key), 0o600))
		_, err := run[activities.Scanned](b, activities.ScanImage, in)
		app := requireKind(t, err, activities.ErrSecretsFound, true)
		require.ErrorContains(t, app, c.says, name)
		require.Equal(t, c.stays, b.cloud.HasImage("sha256:new"), name)
		var gone bool
		require.NoError(t, app.Details(&gone))
		require.Equal(t, !c.stays, gone, name)
	}
}

func TestScanOfACleanImage(t *testing.T) {
	b, in := scanBench(t)
	out, err := run[activities.Scanned](b, activities.ScanImage, in)
	require.NoError(t, err)
	require.Equal(t, activities.Scanned{Image: "sha256:new"}, out)
}

func TestScanNamesFileAndRuleAndNeverTheSecret(t *testing.T) {
	b, in := scanBench(t)
	require.NoError(t, os.MkdirAll(filepath.Join(b.cloud.ImageRoot, "etc"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(b.cloud.ImageRoot, "etc", "id_rsa"), []byte(key), 0o600))
	_, err := run[activities.Scanned](b, activities.ScanImage, in)
	app := requireKind(t, err, activities.ErrSecretsFound, true)
	require.Contains(t, app.Error(), "etc/id_rsa")
	require.Contains(t, app.Error(), "private-key")
	require.NotContains(t, app.Error(), "MIIE")

	in.Spec.SecretScan.Allow = []string{"etc/*"}
	_, err = run[activities.Scanned](b, activities.ScanImage, in)
	require.NoError(t, err)
}

func TestScanFailsClosed(t *testing.T) {
	b, in := scanBench(t)
	b.cloud.Fail("Images.Root", fakeplatform.Fault{Err: fakeplatform.Throttled})
	_, err := run[activities.Scanned](b, activities.ScanImage, in)
	requireKind(t, err, string(platform.KindThrottled), false)
	b.cloud.ImageRoot = ""
	_, err = run[activities.Scanned](b, activities.ScanImage, in)
	requireKind(t, err, string(platform.KindInvalid), true)
}

func TestScanProvesProvenanceWhenTheSpecAsksForIt(t *testing.T) {
	b, in := scanBench(t)
	in.Spec.Provenance.Verify = true
	out, err := run[activities.Scanned](b, activities.ScanImage, in)
	require.NoError(t, err)
	require.True(t, out.Provenance)
	b.all.Baker.Bakery = &bakery{proof: errors.New("signed by another key")}
	_, err = run[activities.Scanned](b, activities.ScanImage, in)
	app := requireKind(t, err, activities.ErrProvenance, true)
	require.Contains(t, app.Error(), "signed by another key")
}

func retireImagesBench(t *testing.T) (*bench, activities.RetireImagesInput) {
	b := newBench(t)
	for i, ref := range []string{"sha256:5", "sha256:4", "sha256:3", "sha256:2", "sha256:1"} {
		b.cloud.Store(release.Image{Ref: ref, Application: "checkout", CreatedAt: time.Unix(int64(1000-i), 0)}, "")
	}
	b.cloud.Store(release.Image{Ref: "sha256:other", Application: "billing"}, "")
	return b, activities.RetireImagesInput{Place: place, Regions: []string{region}, Keep: 2}
}

func TestRetireImagesKeepsTheNewestTheUsedAndTheNamed(t *testing.T) {
	b, in := retireImagesBench(t)
	in.Never = []string{"sha256:3"}
	f := fleetOf(blue, "r1", 1)
	f.Image = "sha256:2"
	b.cloud.Place(f)
	removed, err := run[[]string](b, activities.RetireImages, in)
	require.NoError(t, err)
	require.Equal(t, []string{"sha256:1"}, removed)
	require.True(t, b.cloud.HasImage("sha256:other"))
	removed, err = run[[]string](b, activities.RetireImages, in)
	require.NoError(t, err)
	require.Empty(t, removed)
}

func TestRetireImagesLeavesWhatAnotherEnvironmentRuns(t *testing.T) {
	b, in := retireImagesBench(t)
	f := fleetOf("checkout-staging-r1", "r1", 1)
	f.Image, f.Target.Environment = "sha256:1", "staging"
	b.cloud.Place(f)
	removed, err := run[[]string](b, activities.RetireImages, in)
	require.NoError(t, err)
	require.Equal(t, []string{"sha256:3", "sha256:2"}, removed)
}

func TestRetireImagesRemovesNothingWhenFleetsCannotBeRead(t *testing.T) {
	b, in := retireImagesBench(t)
	b.cloud.Fail("Fleets.List", fakeplatform.Fault{Err: fakeplatform.Throttled})
	_, err := run[[]string](b, activities.RetireImages, in)
	requireKind(t, err, string(platform.KindThrottled), false)
	require.Zero(t, b.cloud.Calls("Images.Retire"))
}

func TestRetireImagesTriesTheOthersAfterAFailure(t *testing.T) {
	b, in := retireImagesBench(t)
	b.cloud.Fail("Images.Retire", fakeplatform.Fault{Err: fakeplatform.Lost, After: true})
	_, err := run[[]string](b, activities.RetireImages, in)
	requireKind(t, err, string(platform.KindAmbiguous), false)
	require.Equal(t, 3, b.cloud.Calls("Images.Retire"))
	removed, err := run[[]string](b, activities.RetireImages, in)
	require.NoError(t, err)
	require.Empty(t, removed)
}
