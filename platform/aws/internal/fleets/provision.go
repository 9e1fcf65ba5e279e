package fleets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
)

// Provision makes the launch template, then the group, then carries over what can be
// given to a group only when it is there. Each step finds what an earlier attempt has
// made by name and digest; the group is tagged complete when all is done.
func (f *Fleets) Provision(ctx context.Context, s platform.FleetSpec) (release.Fleet, error) {
	p, err := f.at(ctx, s.Region)
	if err != nil {
		return release.Fleet{}, err
	}
	digest := digestOf(s, p.aws, p.region)
	g, like, err := f.lookFirst(ctx, p, s)
	if err != nil {
		return release.Fleet{}, err
	}
	if g != nil {
		return f.existing(ctx, p, s, digest, *g, like)
	}
	l, targetGroup, template, err := f.prepare(ctx, p, s, digest, like)
	if err != nil {
		return release.Fleet{}, err
	}
	input := p.groupInput(s, digest, template, targetGroup, l)
	exists, err := f.makeGroup(ctx, p, input)
	if err != nil {
		return release.Fleet{}, err
	}
	found, err := p.Groups(account.Urgent(ctx), s.Name)
	if err != nil {
		return release.Fleet{}, err
	}
	if made, ok := found[s.Name]; ok {
		return f.existing(ctx, p, s, digest, made, like)
	}
	if exists {
		return release.Fleet{}, platform.NewError("", provision, in(s.Name, s.Region), "", errors.New("its Auto Scaling group exists and can't be read yet"))
	}
	made := astypes.AutoScalingGroup{AutoScalingGroupName: &s.Name, TargetGroupARNs: input.TargetGroupARNs, Tags: described(input.Tags)}
	if tagsOf(made)[complete] == "" {
		if err := f.finish(ctx, p, s, made, like); err != nil {
			return release.Fleet{}, err
		}
	}
	return justMade(s), nil
}

// justMade is a fleet that can't be read yet.
func justMade(s platform.FleetSpec) release.Fleet {
	return release.Fleet{
		Name: s.Name, Region: s.Region, Target: s.Target, Release: s.Release, Version: s.Version,
		Image: s.Image, Desired: s.Instances, ScaleInHeld: s.HeldBy, CreatedAt: time.Now().UTC(),
	}
}

// lookFirst reads the fleet and the one it is to be like, nil where there is none.
func (f *Fleets) lookFirst(ctx context.Context, p place, s platform.FleetSpec) (fleet, like *astypes.AutoScalingGroup, err error) {
	names := []string{s.Name}
	if s.Like != "" {
		names = append(names, s.Like)
	}
	found, err := p.Groups(ctx, names...)
	if err != nil {
		return nil, nil, err
	}
	if g, ok := found[s.Name]; ok {
		fleet = &g
	}
	if g, ok := found[s.Like]; ok && s.Like != "" {
		like = &g
	}
	if like == nil && s.Like != "" && fleet == nil {
		g, err := f.group(ctx, p, provision, s.Like)
		if platform.IsNotFound(err) {
			return nil, nil, likeGone(s)
		}
		if err != nil {
			return nil, nil, err
		}
		like = &g
	}
	return fleet, like, nil
}

// existing answers for a group that is there: the fleet when it is the one asked for,
// with what is still to be done, a conflict otherwise.
func (f *Fleets) existing(ctx context.Context, p place, s platform.FleetSpec, digest string, g astypes.AutoScalingGroup, like *astypes.AutoScalingGroup) (release.Fleet, error) {
	if deleting(g) {
		return release.Fleet{}, platform.Conflict(provision, in(s.Name, s.Region), "a fleet of that name is being retired")
	}
	tags := tagsOf(g)
	if tags[tag.Spec] != digest {
		return release.Fleet{}, platform.Conflict(provision, in(s.Name, s.Region), "there is a fleet of that name already: %s", difference(tags, s))
	}
	if tags[complete] == "" {
		if err := f.finish(ctx, p, s, g, like); err != nil {
			return release.Fleet{}, err
		}
	}
	return f.fleet(ctx, p, g)
}

// prepare decides everything that can be decided, refuses what has to be refused, and
// makes the launch template.
func (f *Fleets) prepare(ctx context.Context, p place, s platform.FleetSpec, digest string, like *astypes.AutoScalingGroup) (l *live, targetGroup, template string, err error) {
	if like != nil {
		if l, err = p.readLive(ctx, *like); err == nil {
			err = p.carriable(l)
		}
		if err != nil {
			return nil, "", "", err
		}
	}
	img, liveRoot, err := p.images(ctx, s, l)
	if err != nil {
		return nil, "", "", err
	}
	if err := dataVolumes(s, img, l, liveRoot, p.aws.DataVolumes); err != nil {
		return nil, "", "", err
	}
	data, err := f.templateData(p, s, img, l, liveRoot)
	if err != nil {
		return nil, "", "", err
	}
	if !s.Alone {
		if targetGroup, err = p.idle(ctx, provision, s.Name); err != nil {
			return nil, "", "", err
		}
	}
	template, err = p.makeTemplate(ctx, s, digest, data)
	return l, targetGroup, template, err
}

// images reads the image of the spec, which must be usable, and the root device's name
// of the live fleet's. Without the live image, which may be gone, the names are taken
// to be the same.
func (p place) images(ctx context.Context, s platform.FleetSpec, l *live) (img ec2types.Image, liveRoot string, err error) {
	ids := []string{s.Image}
	if l != nil && l.image != "" && l.image != s.Image {
		ids = append(ids, l.image)
	}
	found, err := p.Images(ctx, ids...)
	if err != nil {
		return img, "", err
	}
	img, ok := found[s.Image]
	if !ok || img.State != ec2types.ImageStateAvailable {
		why := "the image is not there"
		if ok {
			why = fmt.Sprintf("the image is %s, not available", img.State)
		}
		return img, "", platform.NewError(platform.KindNotFound, provision, in(s.Name, s.Region), "copy the image to the region, or bake it again",
			fmt.Errorf("%s: %s", in(s.Image, s.Region), why))
	}
	liveRoot = aws.ToString(img.RootDeviceName)
	if l != nil {
		if old, ok := found[l.image]; ok && old.RootDeviceName != nil {
			liveRoot = *old.RootDeviceName
		}
	}
	return img, liveRoot, nil
}
