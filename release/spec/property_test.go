package spec_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release/spec"
)

// Any valid spec, written as JSON, which is YAML too, and read again, is the same
// spec, whatever its texts are.
func TestSpecsSurviveJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anySpec(t, anyText()).WithDefaults()
		require.NoError(t, want.Validate())
		data, err := json.Marshal(want)
		require.NoError(t, err)
		got, err := spec.Decode("release.json", data)
		require.NoError(t, err, "%s", data)
		require.Equal(t, want, got, "%s", data)
	})
}

// Any valid spec, written as YAML and read again, is the same spec. The texts are
// those that the YAML library's encoder quotes rightly.
func TestSpecsSurviveYAML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anySpec(t, plainText()).WithDefaults()
		require.NoError(t, want.Validate())
		text, err := yaml.Marshal(want)
		require.NoError(t, err)
		got, err := spec.Decode("release.yaml", text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, want, got, "%s", text)
	})
}

// The canonical text of every duration, percentage and number parses back to it.
func TestUnitsSurviveTheirText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := spec.Duration(rapid.Int64Range(0, int64(spec.MaxDuration)).Draw(t, "duration"))
		back, err := spec.ParseDuration(d.String())
		require.NoError(t, err)
		require.Equal(t, d, back)
		p := spec.Percent(rapid.Float64Range(0, 100).Draw(t, "percent"))
		same, err := spec.ParsePercent(p.String())
		require.NoError(t, err)
		require.Equal(t, p, same)
		n := spec.Number(rapid.Float64().Draw(t, "number"))
		again, err := spec.ParseNumber(n.String())
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
}

// Whatever the bytes are, Decode answers with a valid spec or with findings.
func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/broken/*.yaml", "testdata/good/*.yaml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := spec.Decode("fuzz.yaml", data)
		if err == nil {
			require.NoError(t, s.Validate())
			return
		}
		var findings *spec.Findings
		require.ErrorAs(t, err, &findings)
		require.NotEmpty(t, findings.List)
		require.NotEmpty(t, err.Error())
	})
}

func name(t *rapid.T, label string) string {
	return rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?`).Draw(t, label)
}

func texts(t *rapid.T, label string, value *rapid.Generator[string]) map[string]string {
	m := rapid.MapOfN(rapid.StringMatching(`[A-Z_][A-Z0-9_]{0,10}`), value, 0, 4).Draw(t, label)
	if len(m) == 0 {
		return nil
	}
	return m
}

// plainText makes texts of words, and some that YAML would read as something else
// if they were not quoted.
func plainText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[A-Za-z0-9éß日]([A-Za-z0-9éß日 _./=+-]{0,20}[A-Za-z0-9])?`),
		rapid.SampledFrom([]string{"", "true", "null", "~", "1.10", "0x1F", "22:00", "- a", "#b", "a: b", "*x", "&y", "!z"}),
	)
}

// anyText makes printable texts of all kinds.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[ -~éß日]{0,30}`),
		rapid.SampledFrom([]string{"", "true", "null", "~", "1.10", "0x1F", "22:00", "- a", "#b", "a: b", "*x", "&y", "!z", "a\tb", "two\nlines\n", " padded ", "'", `"`, "yes", ".inf"}),
	)
}

func duration(t *rapid.T, label string, low, high time.Duration) spec.Duration {
	return spec.Duration(rapid.Int64Range(int64(low/time.Millisecond), int64(high/time.Millisecond)).Draw(t, label) * int64(time.Millisecond))
}

func reference() *rapid.Generator[string] {
	return rapid.StringMatching(`(env:[A-Z_]{1,8}|file:/[a-z/ ]{0,10}[a-z])`)
}

func anySpec(t *rapid.T, text *rapid.Generator[string]) spec.Spec {
	s := spec.Spec{
		APIVersion: spec.APIVersion, Application: name(t, "application"), Environment: name(t, "environment"),
		Version: rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._+-]{0,12}`).Draw(t, "version"),
		Commit:  rapid.StringMatching(`([0-9a-f]{7,40})?`).Draw(t, "commit"),
		Fleet: spec.Fleet{
			Instances:   rapid.IntRange(1, 1000).Draw(t, "instances"),
			Command:     append([]string{"/bin/app"}, rapid.SliceOfN(text, 0, 3).Draw(t, "arguments")...),
			Environment: texts(t, "variables", text),
		},
		Deadline: spec.Duration(90 * spec.Day),
	}
	if rapid.Bool().Draw(t, "baked") {
		s.Image.Packer = &spec.Packer{Template: "packer/app.pkr.hcl", Variables: texts(t, "packer", text), Rebake: rapid.Bool().Draw(t, "rebake")}
	} else {
		s.Image.Existing = "sha256:" + rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "existing")
		s.Fleet.Environment, s.Fleet.Secrets = nil, texts(t, "secrets", reference())
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "regions") {
		s.Regions = append(s.Regions, spec.Region{Name: fmt.Sprintf("region-%d", i), Wave: rapid.IntRange(0, 32).Draw(t, "wave"), Instances: rapid.IntRange(0, 9).Draw(t, "size")})
	}
	soak := duration(t, "soak", 10*time.Minute, 30*spec.Day)
	rate := spec.Percent(rapid.Float64Range(0, 100).Draw(t, "rate"))
	s.Soak = spec.Soak{Duration: &soak, Interval: duration(t, "interval", 100*time.Millisecond, 10*time.Minute), MaxErrorRate: &rate}
	switch rapid.IntRange(0, 2).Draw(t, "gates") {
	case 0:
		s.Gates = []spec.Gate{}
	case 1:
		no := false
		s.Gates = []spec.Gate{{Name: name(t, "gate"), Before: spec.BeforeDecommission, Approvers: []string{"ada", "true", "grace: x"}, Count: rapid.IntRange(0, 3).Draw(t, "count"), FourEyes: &no}}
	}
	s.Verification.Checks = anyChecks(t, text)
	s.Soak.Checks = anyChecks(t, text)
	s.Traffic, s.Rollback = anyTraffic(t, text), anyRollback(t)
	s.Migrations, s.Decommission = anyMigrations(t, text), anyDecommission(t)
	s.DeadMan = spec.DeadMan{After: duration(t, "dead man", time.Second, 90*spec.Day), Then: rapid.SampledFrom([]string{"", spec.DeadManKeep, spec.DeadManRollback}).Draw(t, "then")}
	if rapid.Bool().Draw(t, "notified") {
		s.Notifications = []spec.Notification{{Name: name(t, "notification"), URL: reference().Draw(t, "url"), On: []string{"failed"}}}
	}
	return s
}
