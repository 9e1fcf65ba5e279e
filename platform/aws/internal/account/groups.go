package account

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

// Groups reads Auto Scaling groups with their instances; those that are not there are absent.
func (a *Account) Groups(ctx context.Context, names ...string) (map[string]astypes.AutoScalingGroup, error) {
	found, err := a.groups.get(ctx, names...)
	return found, ended("read Auto Scaling groups", list(names), err)
}

func (a *Account) fetchGroups(ctx context.Context, names []string) (map[string]astypes.AutoScalingGroup, error) {
	groups, err := a.describeGroups(ctx, list(names), names)
	if err != nil {
		return nil, err
	}
	found := make(map[string]astypes.AutoScalingGroup, len(groups))
	for _, g := range groups {
		found[aws.ToString(g.AutoScalingGroupName)] = g
	}
	return found, nil
}

// AllGroups reads all Auto Scaling groups of the region. Callers at the same time share
// one listing.
func (a *Account) AllGroups(ctx context.Context) ([]astypes.AutoScalingGroup, error) {
	return one(ctx, a.listing, "list Auto Scaling groups in", a.Region)
}

func (a *Account) fetchAllGroups(ctx context.Context, keys []string) (map[string][]astypes.AutoScalingGroup, error) {
	began := time.Now()
	groups, err := a.describeGroups(ctx, "of "+a.Region, nil)
	if err != nil {
		return nil, err
	}
	a.attached.listed(began, groups)
	return map[string][]astypes.AutoScalingGroup{keys[0]: groups}, nil
}

func (a *Account) describeGroups(ctx context.Context, what string, names []string) ([]astypes.AutoScalingGroup, error) {
	var groups []astypes.AutoScalingGroup
	pages := autoscaling.NewDescribeAutoScalingGroupsPaginator(a.AutoScaling, &autoscaling.DescribeAutoScalingGroupsInput{
		AutoScalingGroupNames: names,
		MaxRecords:            aws.Int32(groupsPerCall),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Classify("read Auto Scaling groups", what, false, err)
		}
		groups = append(groups, page.AutoScalingGroups...)
	}
	a.attached.learn(groups)
	return groups, nil
}

// Attached reads which groups are attached to each of the target groups. AWS can't be
// asked that, so names are remembered and asked about; the whole region is listed when
// a target group has no group we know of, or the last listing is older than 5 minutes.
// A group that somebody attached beside a known one is seen within that time.
func (a *Account) Attached(ctx context.Context, targetGroupARNs ...string) (map[string][]astypes.AutoScalingGroup, error) {
	arns := slices.Compact(slices.Sorted(slices.Values(targetGroupARNs)))
	if names := a.attached.names(arns); names != nil {
		found, err := a.Groups(ctx, names...)
		if err != nil {
			return nil, err
		}
		groups := make([]astypes.AutoScalingGroup, 0, len(found))
		for _, name := range names {
			if g, ok := found[name]; ok {
				groups = append(groups, g)
			}
		}
		if by := byTarget(groups, arns); len(by) == len(arns) {
			return by, nil
		}
	}
	groups, err := a.AllGroups(ctx)
	if err != nil {
		return nil, err
	}
	return byTarget(groups, arns), nil
}

// byTarget sorts groups by the target groups asked for; one without a group is absent.
func byTarget(groups []astypes.AutoScalingGroup, arns []string) map[string][]astypes.AutoScalingGroup {
	by := map[string][]astypes.AutoScalingGroup{}
	for _, g := range groups {
		for _, arn := range targetsOf(g) {
			if slices.Contains(arns, arn) {
				by[arn] = append(by[arn], g)
			}
		}
	}
	return by
}

// targetsOf are the target groups a group is attached to, in either way AWS has.
func targetsOf(g astypes.AutoScalingGroup) []string {
	arns := slices.Clone(g.TargetGroupARNs)
	for _, s := range g.TrafficSources {
		if arn := aws.ToString(s.Identifier); !slices.Contains(arns, arn) {
			arns = append(arns, arn)
		}
	}
	return arns
}

// attachments remembers which groups were seen attached to which target group. It
// only says whom to ask about; what is attached is always read.
type attachments struct {
	mu   sync.Mutex
	when time.Time                       // the last listing of the region began
	by   map[string]map[string]time.Time // target group to names of groups, and when they were seen
}

func newAttachments() *attachments {
	return &attachments{by: map[string]map[string]time.Time{}}
}

// names are those to ask about, nil when the region has to be listed.
func (m *attachments) names(arns []string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.when) >= factsAge {
		return nil
	}
	var names []string
	for _, arn := range arns {
		if len(m.by[arn]) == 0 {
			return nil
		}
		for name := range m.by[arn] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// listed forgets what was seen before a listing of the whole region and is not in it.
func (m *attachments) listed(began time.Time, groups []astypes.AutoScalingGroup) {
	m.mu.Lock()
	m.when = began
	for arn, names := range m.by {
		maps.DeleteFunc(names, func(_ string, seen time.Time) bool { return seen.Before(began) })
		if len(names) == 0 {
			delete(m.by, arn)
		}
	}
	m.mu.Unlock()
	m.learn(groups)
}

func (m *attachments) learn(groups []astypes.AutoScalingGroup) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, g := range groups {
		for _, arn := range targetsOf(g) {
			if m.by[arn] == nil {
				m.by[arn] = map[string]time.Time{}
			}
			m.by[arn][aws.ToString(g.AutoScalingGroupName)] = now
		}
	}
}
