package iam_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/actions"
)

// suites are the test suites that act on AWS; each has its record in recorded.
var suites = []string{"bake", "conformance", "fleets", "images", "release", "rollback"}

// Policies by who is recorded using them.
var (
	ofWorker = []string{"switchyard.json", "assume.json", "kms.json"}
	ofPacker = []string{"packer.json"}
)

// triedForPacker is what only Packer does and the doctor tries for it with a dry run; the
// role that bakes has packer.json as well.
var triedForPacker = []string{"ec2:CreateImage"}

// maxSize is the most characters of a managed policy, whitespace not counted:
// docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const maxSize = 6144

// unconditioned are the statements that change something without a condition, and why.
var unconditioned = map[string]string{
	"LaunchFromAndIntoWhatIsThere":  "parents, networks and keys are not Switchyard's and don't carry its tags",
	"CopyAlarmsOfScalingPolicies":   "the resource's name is what narrows it",
	"CopyImagesToTheirRegions":      "the source may be an image of another application, the copy has no tags before it is there",
	"StartItFromAndIntoWhatIsThere": "the same for a builder",
	"MakeASecurityGroupInAnyVPC":    "the network is not Switchyard's",
	"MakeAnImageOfTheBuilder":       "an image has no tags before it is there, and its parent none of Switchyard's",
	"ActInTheReleasesAccounts":      "the roles' trust policies say who may assume them",
}

type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid, Effect      string
	Action, Resource texts
	Condition        map[string]map[string]texts
}

// texts is one text or a list of them, as IAM allows.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

func read(t *testing.T, name string) (policy, []byte) {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	var p policy
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&p), name)
	return p, data
}

// allowed are the actions that policies allow, sorted, each once.
func allowed(t *testing.T, names ...string) []string {
	t.Helper()
	var out []string
	for _, name := range names {
		p, _ := read(t, name)
		for _, s := range p.Statement {
			out = append(out, s.Action...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func isRead(action string) bool {
	_, name, _ := strings.Cut(action, ":")
	return strings.HasPrefix(name, "Describe") || strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "List")
}

func TestPoliciesAreWhatIAMTakes(t *testing.T) {
	files, err := filepath.Glob("*.json")
	require.NoError(t, err)
	require.ElementsMatch(t, slices.Concat(ofWorker, ofPacker), files, "every policy is compared with a record")
	for _, name := range files {
		p, data := read(t, name)
		assert.Equal(t, "2012-10-17", p.Version, name)
		bare := strings.Join(strings.Fields(string(data)), "")
		assert.LessOrEqual(t, len(bare), maxSize, "%s is too long for a managed policy", name)
		seen := map[string]bool{}
		for _, s := range p.Statement {
			assert.Regexp(t, regexp.MustCompile(`^[A-Za-z0-9]+$`), s.Sid, name)
			assert.False(t, seen[s.Sid], "%s: two statements %s", name, s.Sid)
			seen[s.Sid] = true
			assert.Equal(t, "Allow", s.Effect, s.Sid)
			for _, a := range s.Action {
				assert.Regexp(t, regexp.MustCompile(`^[a-z0-9]+:[A-Za-z0-9]+$`), a, "%s: an action without wildcards, so that it can be compared with the record", s.Sid)
			}
			assert.True(t, slices.IsSorted(s.Action), "%s: actions are sorted", s.Sid)
		}
	}
}

// TestChangesAreNarrowed holds every action that changes something to named kinds of
// resources and, where AWS knows a key for it, to a condition.
func TestChangesAreNarrowed(t *testing.T) {
	excused := map[string]bool{}
	for _, name := range slices.Concat(ofWorker, ofPacker) {
		p, _ := read(t, name)
		for _, s := range p.Statement {
			if !slices.ContainsFunc(s.Action, func(a string) bool { return !isRead(a) }) {
				continue
			}
			for _, r := range s.Resource {
				assert.True(t, strings.HasPrefix(r, "arn:aws:") && strings.Contains(r, "/"), "%s: %q names no kind of resource", s.Sid, r)
			}
			if len(s.Condition) == 0 {
				assert.Contains(t, unconditioned, s.Sid, "it has no condition")
				excused[s.Sid] = true
			}
		}
	}
	for sid := range unconditioned {
		assert.True(t, excused[sid], "%s needs no excuse: it has a condition or is gone", sid)
	}
}

func TestInstancesGetOneKindOfRoleOnly(t *testing.T) {
	p, _ := read(t, "switchyard.json")
	i := slices.IndexFunc(p.Statement, func(s statement) bool { return slices.Contains(s.Action, "iam:PassRole") })
	require.GreaterOrEqual(t, i, 0)
	assert.Equal(t, texts{"iam:PassRole"}, p.Statement[i].Action)
	assert.Equal(t, texts{"arn:aws:iam::*:role/switchyard/instance/*"}, p.Statement[i].Resource)
	assert.Equal(t, map[string]map[string]texts{"StringEquals": {"iam:PassedToService": {"ec2.amazonaws.com"}}}, p.Statement[i].Condition)
}

// unrecorded are the actions that policies allow although no suite calls them, each with a reason.
func unrecorded(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		action, reason, _ := strings.Cut(line, " ")
		require.NotEmpty(t, strings.TrimSpace(reason), "%s has no reason", action)
		require.NotContains(t, out, action, "listed twice")
		out[action] = strings.TrimSpace(reason)
	}
	return out
}

// recorded are the actions in the records whose names end so, and the suites they are of.
func recorded(t *testing.T, suffix string, not ...string) (used, from []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("recorded", "*"+suffix))
	require.NoError(t, err)
	for _, f := range files {
		if slices.ContainsFunc(not, func(s string) bool { return strings.HasSuffix(f, s) }) {
			continue
		}
		lines, err := actions.Read(f)
		require.NoError(t, err)
		require.True(t, slices.IsSorted(lines), "%s is not sorted; run its suite with -update", f)
		used = append(used, lines...)
		from = append(from, strings.TrimSuffix(filepath.Base(f), suffix))
	}
	slices.Sort(used)
	return slices.Compact(used), from
}

// difference is what is wrong between what policies allow and what was recorded.
func difference(allowed, used []string, excused map[string]string) (denied, superfluous []string) {
	denied = actions.Without(used, allowed)
	for _, a := range actions.Without(allowed, used) {
		if excused[a] == "" {
			superfluous = append(superfluous, a)
		}
	}
	return denied, superfluous
}

func TestDifferenceBetweenPolicyAndRecord(t *testing.T) {
	denied, superfluous := difference(
		[]string{"ec2:CopyImage", "ec2:RebootInstances", "iam:PassRole"},
		[]string{"ec2:CopyImage", "ec2:CreateImage"},
		map[string]string{"iam:PassRole": "no call"})
	require.Equal(t, []string{"ec2:CreateImage"}, denied)
	require.Equal(t, []string{"ec2:RebootInstances"}, superfluous)
}

// TestPoliciesAndRecordAgree is the proof that the policies are enough and not more. What
// nobody used can be told only once the suites are listed and have their records.
func TestPoliciesAndRecordAgree(t *testing.T) {
	worker, from := recorded(t, ".txt", ".packer.txt")
	worker = actions.Without(worker, triedForPacker)
	packer, _ := recorded(t, ".packer.txt")
	for _, s := range suites {
		require.Contains(t, from, s, "the suite has no record; run it with -update")
	}
	for _, c := range []struct {
		policies, used []string
		excuses        string
	}{{ofWorker, worker, "unrecorded.txt"}, {ofPacker, packer, "unrecorded.packer.txt"}} {
		excused, allowed := unrecorded(t, c.excuses), allowed(t, c.policies...)
		denied, superfluous := difference(allowed, c.used, excused)
		assert.Empty(t, denied, "%v do not allow what was used", c.policies)
		if len(suites) > 0 {
			assert.Empty(t, superfluous, "%v allow what nobody used; take it out, or say why in %s", c.policies, c.excuses)
		}
		for a := range excused {
			assert.Contains(t, allowed, a, "%s excuses an action that no policy allows", c.excuses)
			assert.NotContains(t, c.used, a, "%s excuses an action that was recorded", c.excuses)
		}
	}
}
