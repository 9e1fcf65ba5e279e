//go:build judging

package judging

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const (
	localRegion = "local-a"
	awsRegion   = "eu-west-1"
)

// place is where a story plays.
type place struct {
	name     string // of the platform
	region   string
	ports    platform.Platform // to look, and to act, by hand
	settings yaml              // what a spec has to say of it
}

// at makes a story's place on a platform.
func (s *stack) at(t *testing.T, name string, target release.Target) place {
	t.Helper()
	if name == spec.PlatformLocal {
		return place{name: name, region: localRegion, ports: s.dev.Cloud.Platform(), settings: yaml{"regions": []any{yaml{"name": localRegion}}}}
	}
	lab, err := s.lab.AddTarget(t.Context(), target, awslab.TargetOptions{Unweighted: true})
	require.NoError(t, err)
	ports, err := s.aws(lab.Settings())
	require.NoError(t, err)
	r := lab.Region(awsRegion)
	return place{name: name, region: awsRegion, ports: ports, settings: yaml{
		"platform": name,
		"aws":      yaml{"instanceType": "t3.micro", "instanceProfile": r.InstanceProfile, "port": lab.Port, "healthGrace": "5s"},
		"regions": []any{yaml{"name": awsRegion, "aws": yaml{
			"listener": r.Listener, "targetGroups": r.TargetGroups[:], "subnets": r.Subnets, "securityGroups": []any{r.InstanceGroup}, "entry": r.Entry,
		}}},
		"image": yaml{"existing": r.SourceAMI, "packer": nil, "secretScan": yaml{"unreadable": "accept"}},
	}}
}

// secret keeps a value in a file and returns the reference to it, which the local cloud
// and the worker resolve.
func (s *stack) secret(t *testing.T, name, value string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(value), 0o600))
	return "file:" + path
}
