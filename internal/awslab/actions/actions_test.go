package actions

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
)

var calls = []wire.Call{
	{By: wire.ByWorker, Service: "monitoring", Action: "GetMetricData"},
	{By: wire.ByWorker, Service: "ec2", Action: "RunInstances"},
	{By: wire.ByWorker, Service: "ec2", Action: "RunInstances"},
	{By: wire.ByPacker, Service: "ec2", Action: "CreateImage"},
}

func TestActionsAreNamedAsPoliciesNameThemAndOnce(t *testing.T) {
	require.Equal(t, []string{"cloudwatch:GetMetricData", "ec2:RunInstances"}, of(calls, wire.ByWorker))
	require.Equal(t, []string{"ec2:CreateImage"}, of(calls, wire.ByPacker))
}

func TestARecordThatDiffersSaysHow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recorded", "images.txt")
	used := []string{"ec2:CopyImage", "ec2:DescribeImages"}
	require.ErrorContains(t, compare(path, used, false), "used and not recorded [ec2:CopyImage ec2:DescribeImages]", "there is no record yet")
	require.NoError(t, compare(path, used, true))
	require.NoError(t, compare(path, used, false))
	err := compare(path, []string{"ec2:CreateTags", "ec2:DescribeImages"}, false)
	require.ErrorContains(t, err, "images.txt differs")
	require.ErrorContains(t, err, "used and not recorded [ec2:CreateTags], recorded and not used [ec2:CopyImage]")
	require.ErrorContains(t, err, "-update")
}

func TestASuiteThatCallsNothingHasNoRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "images.packer.txt")
	require.NoError(t, compare(path, nil, false))
	require.NoError(t, compare(path, nil, true))
	require.NoError(t, compare(path, []string{"ec2:CreateImage"}, true))
	require.NoError(t, compare(path, nil, true))
	_, err := os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTheRecordIsBesideThePolicies(t *testing.T) {
	dir, err := recorded()
	require.NoError(t, err)
	_, err = os.Stat(filepath.Join(dir, "..", "switchyard.json"))
	require.NoError(t, err)
}
