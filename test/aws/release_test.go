package aws_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/actions"
	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/release"
)

// TestRelease looks at what an undisturbed release has made.
func TestRelease(t *testing.T) {
	r := record(t, baking)
	w := r.world
	candidate := r.state.Regions[0].Candidate

	t.Run("actions are those on record", func(t *testing.T) {
		actions.Compare(t, "release", r.calls)
	})
	t.Run("the fleet answers IMDSv2 alone, and its volumes are encrypted", func(t *testing.T) {
		versions, err := w.ec2.DescribeLaunchTemplateVersions(w.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: &candidate})
		require.NoError(t, err)
		require.Len(t, versions.LaunchTemplateVersions, 1)
		data := versions.LaunchTemplateVersions[0].LaunchTemplateData
		assert.Equal(t, ec2types.LaunchTemplateHttpTokensStateRequired, data.MetadataOptions.HttpTokens)
		require.NotEmpty(t, data.BlockDeviceMappings)
		for _, d := range data.BlockDeviceMappings {
			assert.True(t, aws.ToBool(d.Ebs.Encrypted), "%s of the launch template", *d.DeviceName)
		}
		instances, err := w.ec2.DescribeInstances(w.ctx, &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
			{Name: aws.String("tag:aws:autoscaling:groupName"), Values: []string{candidate}}}})
		require.NoError(t, err)
		var ids []string
		for _, x := range instances.Reservations {
			for _, i := range x.Instances {
				ids = append(ids, *i.InstanceId)
				assert.Equal(t, ec2types.HttpTokensStateRequired, i.MetadataOptions.HttpTokens, "instance %s", *i.InstanceId)
			}
		}
		require.Len(t, ids, size)
		volumes, err := w.ec2.DescribeVolumes(w.ctx, &ec2.DescribeVolumesInput{Filters: []ec2types.Filter{{Name: aws.String("attachment.instance-id"), Values: ids}}})
		require.NoError(t, err)
		require.Len(t, volumes.Volumes, size)
		for _, v := range volumes.Volumes {
			assert.True(t, aws.ToBool(v.Encrypted), "volume %s", *v.VolumeId)
		}
	})
	t.Run("the builder answers IMDSv2 alone", func(t *testing.T) {
		for _, c := range r.calls {
			if c.By == wire.ByPacker && c.Action == "RunInstances" {
				assert.Contains(t, string(c.Body), "MetadataOptions.HttpTokens=required")
				return
			}
		}
		t.Error("Packer ran no builder")
	})
	t.Run("the image is encrypted and wants IMDSv2", func(t *testing.T) {
		images, err := w.ec2.DescribeImages(w.ctx, &ec2.DescribeImagesInput{ImageIds: []string{r.state.Image.Ref}})
		require.NoError(t, err)
		for _, d := range images.Images[0].BlockDeviceMappings {
			assert.True(t, aws.ToBool(d.Ebs.Encrypted), "%s of the image", *d.DeviceName)
			s, err := w.ec2.DescribeSnapshots(w.ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*d.Ebs.SnapshotId}})
			require.NoError(t, err)
			assert.True(t, aws.ToBool(s.Snapshots[0].Encrypted), "snapshot of %s", *d.DeviceName)
		}
		// moto keeps no imds-support of an image: the request has to do.
		assert.True(t, slices.ContainsFunc(r.calls, func(c wire.Call) bool {
			return c.By == wire.ByPacker && strings.Contains(string(c.Body), "ImdsSupport") && strings.Contains(string(c.Body), "v2.0")
		}), "no call of Packer asks for IMDSv2 on the image")
	})
}

// budget is 60 calls, and six that stop the old fleet before it is removed: its place and
// its minimum are noted in tags, its hold is ended by three calls, its size is set to 0.
const budget = 66

// tally counts the calls of one action.
type tally struct{ first, perPhase, all int }

// TestCallBudget counts the worker's calls of one release in one region, with a live
// fleet as most are; and, for comparison, with one that has all that can be carried over.
func TestCallBudget(t *testing.T) {
	counts, sum := record(t, ordinary).tally()
	_, more := record(t, baking).tally()
	const line = "%-50s %10d %10d %10d\n"
	fmt.Printf("%-50s %10s %10s %10s\n", "calls of the worker, one release, one region", "no polling", "per phase", "all")
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		n := counts[name]
		fmt.Printf(line, name, n.first, n.perPhase, n.all)
	}
	fmt.Printf(line, "together", sum.first, sum.perPhase, sum.all)
	fmt.Printf(line, "with everything to carry over", more.first, more.perPhase, more.all)
	require.LessOrEqual(t, sum.first, budget, "calls besides polling")
}

// tally counts the worker's calls by action. Polling is to ask again what was asked
// before: the same reading action with the same parameters, the time range of metrics
// left out. A call that asks for several things is polling when each of them was asked
// for: which of them share a call is chance. perPhase takes a question that a later phase
// asks again for a new one.
func (r *recording) tally() (counts map[string]*tally, sum tally) {
	counts, asked := map[string]*tally{}, map[string]bool{}
	for _, c := range r.calls {
		if c.By != wire.ByWorker {
			continue
		}
		if counts[c.IAM()] == nil {
			counts[c.IAM()] = &tally{}
		}
		phase := string(phaseAt(r.state, c)) + " "
		anew, anewInPhase := c.Mutating, c.Mutating
		for _, q := range questions(c) {
			anew, anewInPhase = anew || !asked[q], anewInPhase || !asked[phase+q]
			asked[q], asked[phase+q] = true, true
		}
		for _, n := range []*tally{counts[c.IAM()], &sum} {
			n.all++
			if anew {
				n.first++
			}
			if anewInPhase {
				n.perPhase++
			}
		}
	}
	return counts, sum
}

// oneOfMany are the parameters that name what is asked for, in calls that ask for several things.
var oneOfMany = regexp.MustCompile(`&(AutoScalingGroupNames\.member|ImageId|Filter\.1\.Value)\.\d+=[^&]*`)

// questions are what a call asks, one for each thing that it names.
func questions(c wire.Call) []string {
	if c.Action == "GetMetricData" {
		return []string{c.IAM()}
	}
	things := oneOfMany.FindAllString(string(c.Body), -1)
	if len(things) == 0 {
		return []string{c.IAM() + " " + string(c.Body)}
	}
	rest := oneOfMany.ReplaceAllString(string(c.Body), "")
	for i, thing := range things {
		_, thing, _ = strings.Cut(thing, "=")
		things[i] = c.IAM() + " " + rest + " " + thing
	}
	return things
}

// phaseAt is the phase the release was in when the call was made.
func phaseAt(s release.State, c wire.Call) release.Phase {
	now := release.PhaseRequested
	for _, e := range s.Entries {
		if e.Start.Before(c.Time) {
			now = e.Phase
		}
	}
	return now
}
