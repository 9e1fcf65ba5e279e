package fleets

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release/spec"
)

func ebs(name string, size int32) device {
	return device{DeviceName: &name, Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: &size, SnapshotId: aws.String("snap-live")}}
}

func imageWith(devices ...ec2types.BlockDeviceMapping) ec2types.Image {
	all := []ec2types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &ec2types.EbsBlockDevice{VolumeSize: aws.Int32(8), SnapshotId: aws.String("snap-new")}}}
	return ec2types.Image{RootDeviceName: aws.String("/dev/xvda"), BlockDeviceMappings: append(all, devices...)}
}

var (
	dataDevice  = ec2types.BlockDeviceMapping{DeviceName: aws.String("/dev/sdf"), Ebs: &ec2types.EbsBlockDevice{VolumeSize: aws.Int32(1)}}
	storeDevice = ec2types.BlockDeviceMapping{DeviceName: aws.String("/dev/sdb"), VirtualName: aws.String("ephemeral0")}
)

func liveWith(devices ...device) *live {
	return &live{name: "live", template: ec2types.RequestLaunchTemplateData{BlockDeviceMappings: devices}}
}

func TestDataVolumesAreRefusedUnlessFreshOnesWillDo(t *testing.T) {
	for name, c := range map[string]struct {
		img   ec2types.Image
		l     *live
		named []string
	}{
		"root alone":              {img: imageWith(), l: liveWith(ebs("/dev/sda1", 20))},
		"instance store":          {img: imageWith(storeDevice), l: liveWith(device{DeviceName: aws.String("/dev/sdc"), VirtualName: aws.String("ephemeral1")})},
		"no device":               {img: imageWith(), l: liveWith(device{DeviceName: aws.String("/dev/sdc"), NoDevice: aws.String("")})},
		"volume of the image":     {img: imageWith(dataDevice), named: []string{"/dev/sdf of image ami-1"}},
		"volume of the live one":  {img: imageWith(), l: liveWith(ebs("/dev/sda1", 20), ebs("/dev/sdg", 100)), named: []string{"/dev/sdg of the live fleet live"}},
		"volumes wherever we see": {img: imageWith(dataDevice), l: liveWith(ebs("/dev/sdg", 100)), named: []string{"/dev/sdf", "/dev/sdg"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := platform.FleetSpec{Name: "one", Image: "ami-1"}
			err := dataVolumes(s, c.img, c.l, "/dev/sda1", spec.DataVolumesRefuse)
			require.NoError(t, dataVolumes(s, c.img, c.l, "/dev/sda1", spec.DataVolumesFresh))
			if len(c.named) == 0 {
				require.NoError(t, err)
				return
			}
			require.Equal(t, platform.KindInvalid, platform.KindOf(err))
			for _, text := range c.named {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

func TestDevicesOfACandidate(t *testing.T) {
	l := liveWith(ebs("/dev/sda1", 20), ebs("/dev/sdg", 100), device{DeviceName: aws.String("/dev/sdc"), VirtualName: aws.String("ephemeral1")})
	got := devices(imageWith(dataDevice, storeDevice), l, "/dev/sda1", encryption{on: true, key: "key"})
	by := map[string]device{}
	for _, d := range got {
		by[*d.DeviceName] = d
	}
	require.Len(t, by, 4)
	require.NotContains(t, by, "/dev/sda1", "the root has the new image's name")
	require.Equal(t, int32(20), *by["/dev/xvda"].Ebs.VolumeSize, "and the live fleet's size")
	require.Nil(t, by["/dev/xvda"].Ebs.SnapshotId, "and the new image's content")
	require.Equal(t, "snap-live", *by["/dev/sdg"].Ebs.SnapshotId)
	for _, name := range []string{"/dev/xvda", "/dev/sdf", "/dev/sdg"} {
		require.True(t, *by[name].Ebs.Encrypted, name)
		require.Equal(t, "key", *by[name].Ebs.KmsKeyId, name)
	}
	require.Nil(t, by["/dev/sdc"].Ebs)
	require.Equal(t, "snap-live", *l.template.BlockDeviceMappings[0].Ebs.SnapshotId, "the live fleet's own are left as they are")

	small := devices(imageWith(), liveWith(ebs("/dev/xvda", 4)), "/dev/xvda", encryption{on: true})
	require.Equal(t, int32(8), *small[0].Ebs.VolumeSize, "no smaller than the image")
	require.Nil(t, small[0].Ebs.KmsKeyId)
	require.Empty(t, devices(imageWith(), nil, "/dev/xvda", encryption{}), "nothing to say")
}
