package fleets

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release/spec"
)

// complete is on a group when everything was carried over to it: what an interrupted
// Provision left undone is done by the next one until then.
const complete = "switchyard:complete"

// facts are the tags that say what a fleet is. They are on the group, the launch
// template, the instances and their volumes.
func facts(s platform.FleetSpec) map[string]string {
	return map[string]string{
		tag.Application: s.Target.Application, tag.Environment: s.Target.Environment,
		tag.Release: s.Release, tag.Version: s.Version, tag.Fleet: s.Name, tag.Image: s.Image,
	}
}

// marks are the tags of the group and the launch template alone.
func marks(s platform.FleetSpec, digest string) map[string]string {
	m := map[string]string{tag.Spec: digest}
	if s.Alone {
		m[tag.Alone] = "true"
	}
	return m
}

// digestOf is what a fleet is made of, in one word: same digest, same fleet. What only
// says how calls are made, such as the role, is no part of it.
func digestOf(s platform.FleetSpec, a spec.AWS, r spec.AWSRegion) string {
	a.Role, a.ExternalID, a.ShareWith = "", "", nil
	r.Role, r.Entry = "", ""
	text, err := json.Marshal(struct {
		Fleet  platform.FleetSpec
		AWS    spec.AWS
		Region spec.AWSRegion
	}{s, a, r})
	if err != nil {
		panic(fmt.Sprintf("a fleet spec is always JSON: %v", err))
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// tagsOf are a group's tags by key.
func tagsOf(g astypes.AutoScalingGroup) map[string]string {
	m := make(map[string]string, len(g.Tags))
	for _, t := range g.Tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}

func ec2Tags(m map[string]string) []ec2types.Tag {
	tags := make([]ec2types.Tag, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		tags = append(tags, ec2types.Tag{Key: aws.String(k), Value: aws.String(m[k])})
	}
	return tags
}

func groupTag(group, key, value string, propagate bool) astypes.Tag {
	return astypes.Tag{
		Key: aws.String(key), Value: aws.String(value), PropagateAtLaunch: aws.Bool(propagate),
		ResourceId: aws.String(group), ResourceType: aws.String("auto-scaling-group"),
	}
}

// described are tags as a group that has them answers.
func described(tags []astypes.Tag) []astypes.TagDescription {
	out := make([]astypes.TagDescription, len(tags))
	for i, t := range tags {
		out[i] = astypes.TagDescription(t)
	}
	return out
}

// carriedTag says whether a tag of the live fleet goes to the candidate. Switchyard's
// own speak of one fleet only, and nobody may set those of AWS.
func carriedTag(key string) bool {
	return !strings.HasPrefix(key, "switchyard:") && !strings.HasPrefix(key, "aws:")
}

// difference says how the fleet that is there differs from the one asked for.
func difference(there map[string]string, s platform.FleetSpec) string {
	var lines []string
	wanted := facts(s)
	for _, k := range []string{tag.Application, tag.Environment, tag.Release, tag.Version, tag.Image} {
		if there[k] != wanted[k] {
			lines = append(lines, fmt.Sprintf("its %s is %q, not %q", strings.TrimPrefix(k, "switchyard:"), there[k], wanted[k]))
		}
	}
	if len(lines) == 0 {
		return "it was made from other settings (size, command, environment, or those of the platform)"
	}
	return strings.Join(lines, "; ")
}
