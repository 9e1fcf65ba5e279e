package fleets

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release/spec"
)

type device = ec2types.LaunchTemplateBlockDeviceMappingRequest

// dataVolumes refuses volumes beside the root, unless the spec wants fresh ones: what
// is on those of the live fleet would not come along, and somebody may count on it.
// Instance stores are no volumes; what is on them is gone with the instance anyway.
func dataVolumes(s platform.FleetSpec, img ec2types.Image, l *live, liveRoot, policy string) error {
	if policy == spec.DataVolumesFresh {
		return nil
	}
	var found []string
	for _, d := range img.BlockDeviceMappings {
		if d.Ebs != nil && aws.ToString(d.DeviceName) != aws.ToString(img.RootDeviceName) {
			found = append(found, fmt.Sprintf("%s of image %s", aws.ToString(d.DeviceName), s.Image))
		}
	}
	if l != nil {
		for _, d := range l.template.BlockDeviceMappings {
			if name := aws.ToString(d.DeviceName); d.Ebs != nil && d.NoDevice == nil && name != liveRoot {
				found = append(found, fmt.Sprintf("%s of the live fleet %s", name, l.name))
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	return platform.NewError(platform.KindInvalid, "provision", in(s.Name, s.Region),
		"keep data outside of the instances, or, when every instance may begin with fresh volumes, say aws.dataVolumes: fresh",
		errors.New("there are data volumes, whose contents a new fleet would not have: "+strings.Join(found, ", ")))
}

// encryption is how volumes are to be.
type encryption struct {
	on  bool
	key string // KMS key; "" the account's default for EBS
}

// devices are the volumes of the candidate: those of its image, with the sizes and
// kinds that the live fleet has, and what the live fleet has besides. An image's own
// snapshots stay, those of the live fleet's image don't come along.
func devices(img ec2types.Image, l *live, liveRoot string, e encryption) []device {
	root := aws.ToString(img.RootDeviceName)
	var all []device
	if l != nil {
		for _, d := range l.template.BlockDeviceMappings {
			all = append(all, fromLive(d, root, liveRoot))
		}
	}
	for _, d := range img.BlockDeviceMappings {
		if d.Ebs == nil || d.DeviceName == nil {
			continue
		}
		i := slices.IndexFunc(all, func(o device) bool { return aws.ToString(o.DeviceName) == *d.DeviceName })
		if i < 0 {
			all = append(all, device{DeviceName: d.DeviceName, Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{}})
			continue
		}
		if o := all[i].Ebs; o != nil {
			o.SnapshotId = nil
			// A volume can't be smaller than its snapshot.
			if o.VolumeSize != nil && d.Ebs.VolumeSize != nil {
				o.VolumeSize = aws.Int32(max(*o.VolumeSize, *d.Ebs.VolumeSize))
			}
		}
	}
	var out []device
	for _, d := range all {
		if d.Ebs != nil && e.on {
			d.Ebs.Encrypted = aws.Bool(true)
			if e.key != "" {
				d.Ebs.KmsKeyId = aws.String(e.key)
			}
		}
		// Nothing to say about it: the image says it all.
		if d.Ebs != nil && *d.Ebs == (ec2types.LaunchTemplateEbsBlockDeviceRequest{}) {
			continue
		}
		out = append(out, d)
	}
	return out
}

// fromLive is a device of the live fleet for another image, whose root may have another name.
func fromLive(d device, root, liveRoot string) device {
	if d.Ebs != nil {
		ebs := *d.Ebs
		d.Ebs = &ebs
	}
	if aws.ToString(d.DeviceName) == liveRoot {
		d.DeviceName = aws.String(root)
		if d.Ebs != nil {
			d.Ebs.SnapshotId = nil
		}
	}
	return d
}
