package starter_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

const goodSpec = `apiVersion: switchyard/v1
application: checkout
environment: production
version: 1.4.2+Build.7
image:
  packer:
    template: packer/app.pkr.hcl
  provenance: {verify: true, publicKey: keys/release.pem}
regions: [{name: west}]
fleet: {instances: 2, command: [/bin/app]}
verification:
  checks:
    - {name: beside, command: {run: [./check.sh, --fast]}}
    - {name: on-path, command: {run: [curl, -f]}}
traffic:
  strategy: canary
  canary: {steps: [{weight: 10}]}
  analysis: {checks: [{name: beside, command: {run: [../tests/load.sh]}}]}
soak:
  checks:
    - {name: beside, command: {run: [tests/soak.sh]}}
    - {name: elsewhere, command: {run: [/opt/tests/soak.sh, ./data]}}
migrations:
  schema: 2
  floor: 1
  expand: {command: {run: [./db/migrate, up]}}
  contract: {command: {run: [migrate, ./db/contract.sql]}}
`

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func read(t *testing.T, dir, text string) starter.Loaded {
	t.Helper()
	path := filepath.Join(dir, "release.yaml")
	writeFile(t, path, text)
	l, err := starter.ReadSpec(path)
	require.NoError(t, err)
	return l
}

func TestPathsOfASpecStartAtItsFolder(t *testing.T) {
	dir := t.TempDir()
	s := read(t, dir, goodSpec).Spec
	assert.Equal(t, filepath.Join(dir, "packer/app.pkr.hcl"), s.Image.Packer.Template)
	assert.Equal(t, filepath.Join(dir, "keys/release.pem"), s.Image.Provenance.PublicKey)
	assert.Equal(t, []string{filepath.Join(dir, "check.sh"), "--fast"}, s.Verification.Checks[0].Command.Run)
	assert.Equal(t, []string{"curl", "-f"}, s.Verification.Checks[1].Command.Run, "a bare name is the worker's to find")
	assert.Equal(t, []string{filepath.Join(dir, "../tests/load.sh")}, s.Traffic.Analysis.Checks[0].Command.Run)
	assert.Equal(t, []string{filepath.Join(dir, "tests/soak.sh")}, s.Soak.Checks[0].Command.Run)
	assert.Equal(t, []string{"/opt/tests/soak.sh", "./data"}, s.Soak.Checks[1].Command.Run)
	assert.Equal(t, []string{filepath.Join(dir, "db/migrate"), "up"}, s.Migrations.Expand.Command.Run)
	assert.Equal(t, []string{"migrate", "./db/contract.sql"}, s.Migrations.Contract.Command.Run)
}

func TestTheDigestIsTheSpecsAndNotTheCheckouts(t *testing.T) {
	one, other := read(t, t.TempDir(), goodSpec), read(t, t.TempDir(), "# a comment\n"+goodSpec)
	assert.Equal(t, one.Digest, other.Digest)
	changed := read(t, t.TempDir(), strings.Replace(goodSpec, "instances: 2", "instances: 3", 1))
	assert.NotEqual(t, one.Digest, changed.Digest)

	r, err := starter.NewRequest(one, "", "ada")
	require.NoError(t, err)
	assert.Regexp(t, `^r-1\.4\.2-build\.7-[0-9a-f]{8}$`, r.ID)
	assert.Equal(t, one.Digest, r.Digest)
}

func TestIDs(t *testing.T) {
	l := read(t, t.TempDir(), goodSpec)
	for _, good := range []string{"r1", "2026-01-31.1", strings.Repeat("a", 60)} {
		_, err := starter.NewRequest(l, good, "ada")
		assert.NoError(t, err, good)
	}
	for _, bad := range []string{"R1", "a/b", "-a", "a-", "a b", strings.Repeat("a", 61)} {
		_, err := starter.NewRequest(l, bad, "ada")
		assert.Equal(t, starter.ExitBadInput, starter.CodeOf(err), bad)
	}
}

func TestASpecThatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "release.yaml")
	writeFile(t, path, strings.Replace(goodSpec, "instances: 2", "instances: none", 1)+"colour: red\n")
	_, err := starter.ReadSpec(path)
	var findings *spec.Findings
	require.ErrorAs(t, err, &findings)
	assert.Len(t, findings.List, 2, "everything at once")
	assert.Equal(t, starter.ExitBadInput, starter.CodeOf(err))

	_, err = starter.ReadSpec(filepath.Join(t.TempDir(), "none.yaml"))
	assert.Equal(t, starter.ExitBadInput, starter.CodeOf(err))
	assert.Contains(t, err.Error(), "none.yaml")
}
