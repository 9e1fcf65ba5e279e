package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

const twoRegions = `apiVersion: switchyard/v1
application: checkout
environment: production
version: 1.4.2
image: {existing: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
regions: [{name: west}, {name: east}]
fleet: {instances: 2, command: [/bin/app]}
`

// examined is a doctor that answers with what was written down for each region.
type examined map[string]struct {
	findings []platform.Finding
	err      error
}

func (e examined) Examine(_ context.Context, region string, target release.Target) ([]platform.Finding, error) {
	if target != (release.Target{Application: "checkout", Environment: "production"}) {
		return nil, errors.New("asked about another target: " + target.String())
	}
	return e[region].findings, e[region].err
}

// listed is a platform's fleets that can only be listed.
type listed struct {
	platform.Fleets
	err error
}

func (l listed) List(context.Context, string, release.Target) ([]release.Fleet, error) {
	return nil, l.err
}

// doctorOf runs the command on a platform and returns what it wrote and its exit code.
func doctorOf(t *testing.T, p platform.Platform, output string) (string, starter.ExitCode) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "release.yaml")
	require.NoError(t, os.WriteFile(path, []byte(twoRegions), 0o600))
	var out bytes.Buffer
	a := &App{Out: &out, Err: &bytes.Buffer{}, output: output}
	err := a.doctor(context.Background(), activities.Set{"local": platform.Fixed(p)}, path)
	var end *exitError
	if errors.As(err, &end) {
		return out.String(), end.code
	}
	require.NoError(t, err)
	return out.String(), starter.ExitCompleted
}

var (
	good  = platform.Finding{Subject: "credentials of account 123456789012"}
	doubt = platform.Finding{Subject: "vCPU quota", Problem: "2 of 16 left", Advice: "ask for more"}
	bad   = platform.Finding{Subject: "listener", Problem: "it has one target group", Advice: "name the second in its forward action", Blocking: true}
)

func TestDoctorSaysWhatIsWrongInEachRegionAndWhatToDo(t *testing.T) {
	text, code := doctorOf(t, platform.Platform{Doctor: examined{
		"west": {findings: []platform.Finding{good, doubt}},
		"east": {findings: []platform.Finding{good, bad}},
	}}, "text")
	assert.Equal(t, starter.ExitRefused, code)
	assert.Equal(t, `west
  ✓ credentials of account 123456789012
  ! vCPU quota: 2 of 16 left
    ask for more
east
  ✓ credentials of account 123456789012
  ✗ listener: it has one target group
    name the second in its forward action

a release of checkout/production would fail: 1 finding(s) block it, 1 more to look at
`, text)
}

func TestOnlyWhatBlocksMakesDoctorFail(t *testing.T) {
	for name, c := range map[string]struct {
		found []platform.Finding
		err   error
		want  starter.ExitCode
		text  string
	}{
		"all is well":           {[]platform.Finding{good}, nil, starter.ExitCompleted, "nothing blocks a release of checkout/production\n"},
		"doubts":                {[]platform.Finding{doubt}, nil, starter.ExitCompleted, "2 finding(s) to look at"},
		"something blocks":      {[]platform.Finding{doubt, bad}, nil, starter.ExitRefused, "would fail: 2 finding(s) block it, 2 more"},
		"nobody could look":     {nil, errors.New("no credentials"), starter.ExitError, "! could not be examined: no credentials"},
		"half could be seen":    {[]platform.Finding{bad}, errors.New("throttled"), starter.ExitError, "would fail: 2 finding(s)"},
		"unknown is not a pass": {[]platform.Finding{good}, errors.New("throttled"), starter.ExitError, "nobody knows whether"},
	} {
		t.Run(name, func(t *testing.T) {
			d := examined{"west": {c.found, c.err}, "east": {c.found, c.err}}
			text, code := doctorOf(t, platform.Platform{Doctor: d}, "text")
			assert.Equal(t, c.want, code)
			assert.Contains(t, text, c.text)
		})
	}
}

func TestDoctorTellsProgramsTheSame(t *testing.T) {
	text, code := doctorOf(t, platform.Platform{Name: "aws", Doctor: examined{
		"west": {findings: []platform.Finding{good, bad}}, "east": {err: errors.New("throttled")},
	}}, "json")
	assert.Equal(t, starter.ExitError, code)
	var doc doctorDocument
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	assert.Equal(t, doctorDocument{Target: release.Target{Application: "checkout", Environment: "production"}, Platform: "aws", Regions: []diagnosis{
		{Region: "west", Findings: []platform.Finding{good, bad}},
		{Region: "east", Findings: []platform.Finding{}, Error: "throttled"},
	}}, doc)
	assert.Contains(t, text, `"ready": false`)
}

func TestAPlatformWithoutADoctorHasToAnswer(t *testing.T) {
	text, code := doctorOf(t, platform.Platform{Name: "local", Fleets: listed{}}, "text")
	assert.Equal(t, starter.ExitCompleted, code)
	assert.Contains(t, text, "✓ platform local answers; there is nothing else to examine")

	silent := platform.NewError("", "list fleets", "checkout/production", "`switchyard dev` starts it", errors.New("connection refused"))
	text, code = doctorOf(t, platform.Platform{Name: "local", Fleets: listed{err: silent}}, "text")
	assert.Equal(t, starter.ExitRefused, code)
	assert.Contains(t, text, "✗ platform local: connection refused\n    `switchyard dev` starts it\n")
}

func TestDoctorOfAPlatformThatCanNotBeOpenedIsBadInput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "release.yaml")
	require.NoError(t, os.WriteFile(path, []byte(twoRegions), 0o600))
	a := &App{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, output: "text"}
	for _, set := range []activities.Set{
		{},
		{"local": func(spec.Settings) (platform.Platform, error) {
			return platform.Platform{}, platform.NewError(platform.KindInvalid, "open platform", "local", "", errors.New("no region of that name"))
		}},
	} {
		assert.Equal(t, starter.ExitBadInput, starter.CodeOf(a.doctor(context.Background(), set, path)))
	}
}
