package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
)

const opShift = "set weights"

// inForceWithin is how long a change may take to be read back.
const inForceWithin = 10 * time.Second

// writes lets one writer at a time change a listener. Routers are made for every use,
// so the turns belong to the process.
var writes = turns{by: map[string]chan struct{}{}}

type turns struct {
	mu sync.Mutex
	by map[string]chan struct{} // holds a token while somebody has the turn
}

// take waits for the turn of the key and returns what ends it.
func (l *turns) take(ctx context.Context, key string) (func(), error) {
	l.mu.Lock()
	turn := l.by[key]
	if turn == nil {
		turn = make(chan struct{}, 1)
		l.by[key] = turn
	}
	l.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: wait for another change of %s: %w", opShift, key, ctx.Err())
	}
}

// SetWeights moves the shares from expected to want: it sets percents as weights, keeps
// everything else of the listener's or rule's actions, and returns when AWS reads the
// change back, within 10 seconds (KindAmbiguous after that). Load balancers follow
// within seconds; that cannot be read.
//
// No shares (want is empty) sets all weights to 0: the state before a first release, in
// which whatever is attached gets nothing. A weight may be 0 to 999
// (docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupTuple.html).
//
// AWS has no conditional write. Writers of one process take turns; a write of another
// process or person is noticed when it came before our reading (KindConflict), or when
// it is read back after ours. One that falls between our reading and our writing, some
// milliseconds, is overwritten. Releases exclude each other by their environment's lock,
// so that leaves people who change weights by hand during a switch.
func (r *Router) SetWeights(ctx context.Context, region string, target release.Target, expected, want release.Weights) error {
	on := target.String() + " in " + region
	if err := sensible(want); err != nil {
		return platform.NewError(platform.KindInvalid, opShift, on, "", err)
	}
	acc, cfg, err := r.place(ctx, region)
	if err != nil {
		return err
	}
	done, err := writes.take(ctx, cfg.Listener)
	if err != nil {
		return err
	}
	defer done()
	now, err := Read(account.Urgent(ctx), acc, cfg)
	if err != nil {
		return err
	}
	shares, err := now.shares(ctx, acc, target, want)
	if err != nil {
		return err
	}
	inForce := now.Weights()
	if inForce.Equal(want) {
		return nil
	}
	if !inForce.Equal(expected) {
		return platform.Conflict(opShift, on, "in force is %s; expected was %s, to be changed to %s", inForce, expected, want)
	}
	if err := modify(ctx, acc, now.Forward, shares); err != nil {
		return err
	}
	return r.readBack(ctx, acc, now.Forward, shares)
}

// sensible says what is wrong with shares that nobody could mean.
func sensible(w release.Weights) error {
	sum, seen := 0, map[string]bool{}
	for _, x := range w {
		if x.Percent < 0 || x.Percent > 100 {
			return fmt.Errorf("share %d %% of %s: a share is 0 to 100 %%", x.Percent, x.Fleet)
		}
		if seen[x.Fleet] {
			return fmt.Errorf("%s is listed twice", x.Fleet)
		}
		seen[x.Fleet], sum = true, sum+x.Percent
	}
	if sum != 100 && sum != 0 {
		return fmt.Errorf("the shares add up to %d %%, not to 100 or 0 (%s)", sum, w)
	}
	return nil
}

// shares are the weights that every target group of the route gets.
func (s State) shares(ctx context.Context, acc *account.Account, target release.Target, want release.Weights) ([]account.Share, error) {
	out := make([]account.Share, 0, len(s.Slots))
	index := map[string]int{}
	for _, slot := range s.Slots {
		index[slot.TargetGroup] = len(out)
		out = append(out, account.Share{TargetGroup: slot.TargetGroup})
	}
	for _, w := range want {
		slot, err := s.take(ctx, acc, target, w.Fleet)
		switch {
		case err == nil:
			out[index[slot.TargetGroup]].Weight += int32(w.Percent) //nolint:gosec // 0 to 100
		case w.Percent != 0 || !platform.IsNotFound(err) && !platform.IsConflict(err): // a fleet that is gone, or going, may have no share
			return nil, err
		}
	}
	return out, nil
}

// take finds the target group of a fleet that may get a share.
func (s State) take(ctx context.Context, acc *account.Account, target release.Target, fleet string) (Slot, error) {
	slot, ok := s.Of(fleet)
	if !ok {
		if i := slices.IndexFunc(s.Slots, func(x Slot) bool { return x.Weight > 0 && x.holder() == fleet }); i >= 0 {
			return s.Slots[i], nil // no fleet, but it has a share now and may keep it
		}
		return Slot{}, outside(ctx, acc, fleet)
	}
	for _, g := range slot.Fleets {
		if deref(g.AutoScalingGroupName) != fleet {
			continue
		}
		tags := groupTags(g)
		owner := release.Target{Application: tags[tag.Application], Environment: tags[tag.Environment]}
		if owner != (release.Target{}) && owner != target {
			return Slot{}, platform.NewError(platform.KindInvalid, opShift, target.String(), "", fmt.Errorf("fleet %s belongs to %s", fleet, owner))
		}
		if status := deref(g.Status); status != "" {
			return Slot{}, platform.Conflict(opShift, target.String(), "fleet %s is being removed (Auto Scaling says %q)", fleet, status)
		}
	}
	return slot, nil
}

// outside says why a fleet that is in no target group of the route can't get a share.
func outside(ctx context.Context, acc *account.Account, fleet string) error {
	found, err := acc.Groups(account.Urgent(ctx), fleet)
	if err != nil {
		return err
	}
	g, ok := found[fleet]
	switch {
	case !ok:
		return platform.NotFound(opShift, "fleet "+fleet)
	case groupTags(g)[tag.Alone] == "true":
		return platform.NewError(platform.KindInvalid, opShift, "fleet "+fleet, "", errors.New("it stands alone: it is no part of a route"))
	case groupTags(g)[tag.Place] != "":
		return platform.NewError(platform.KindConflict, opShift, "fleet "+fleet, "attach it to the route again, and wait until it is ready",
			fmt.Errorf("fleet %s was taken out of the route", fleet))
	default:
		return platform.NewError(platform.KindNotFound, opShift, "fleet "+fleet, "attach its Auto Scaling group to the target group that is free",
			errors.New("it is attached to none of the route's target groups"))
	}
}

// modify is tried once: a try of the SDK's own would write over what somebody changed
// since the shares were read. Who calls reads and compares anew before the next one.
func modify(ctx context.Context, acc *account.Account, f account.Forward, shares []account.Share) error {
	if !slices.ContainsFunc(f.Actions, func(a elbtypes.Action) bool { return a.Type == elbtypes.ActionTypeEnumForward }) {
		return platform.NewError(platform.KindInvalid, opShift, f.ARN, "name the listener or rule whose action is to forward",
			errors.New("it forwards to no target group"))
	}
	actions := keepSecrets(f.With(shares...))
	var err error
	if f.IsRule {
		_, err = acc.ELB.ModifyRule(ctx, &elasticloadbalancingv2.ModifyRuleInput{RuleArn: aws.String(f.ARN), Actions: actions}, once)
	} else {
		_, err = acc.ELB.ModifyListener(ctx, &elasticloadbalancingv2.ModifyListenerInput{ListenerArn: aws.String(f.ARN), DefaultActions: actions}, once)
	}
	return account.Classify(opShift, f.ARN, true, err)
}

func once(o *elasticloadbalancingv2.Options) { o.RetryMaxAttempts = 1 }

// keepSecrets makes actions that were read fit to be written: a client secret is never read,
// so AWS is told to keep the one it has.
// docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AuthenticateOidcActionConfig.html
func keepSecrets(actions []elbtypes.Action) []elbtypes.Action {
	for i, a := range actions {
		if a.AuthenticateOidcConfig == nil || a.AuthenticateOidcConfig.ClientSecret != nil {
			continue
		}
		oidc := *a.AuthenticateOidcConfig
		oidc.UseExistingClientSecret = aws.Bool(true)
		actions[i].AuthenticateOidcConfig = &oidc
	}
	return actions
}

// readBack waits until the shares are in force. What AWS reads may be old for a while;
// what is neither old nor new is somebody else's.
func (r *Router) readBack(ctx context.Context, acc *account.Account, before account.Forward, shares []account.Share) error {
	deadline := time.Now().Add(inForceWithin)
	for {
		now, err := acc.Forward(account.Urgent(ctx), before.ARN)
		switch {
		case err != nil:
		case same(now.Groups, shares):
			return nil
		case !same(now.Groups, before.Groups):
			return platform.Conflict(opShift, before.ARN, "set to %s, but read back is %s: somebody else changed it at the same time", text(shares), text(now.Groups))
		default:
			err = fmt.Errorf("set to %s, but read back is still %s", text(shares), text(now.Groups))
		}
		if ctx.Err() == nil && time.Now().Before(deadline) {
			pause(ctx, r.Options.Poll)
			continue
		}
		return platform.NewError(platform.KindAmbiguous, opShift, before.ARN, "read the weights before trying again", err)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// same compares weights; a target group that is not named has none.
func same(a, b []account.Share) bool {
	of := func(shares []account.Share) map[string]int32 {
		by := map[string]int32{}
		for _, s := range shares {
			if s.Weight != 0 {
				by[s.TargetGroup] += s.Weight
			}
		}
		return by
	}
	x, y := of(a), of(b)
	for arn, w := range x {
		if y[arn] != w {
			return false
		}
	}
	return len(x) == len(y)
}

func text(shares []account.Share) string {
	var parts []string
	for _, s := range shares {
		parts = append(parts, fmt.Sprintf("%s weight %d", GroupName(s.TargetGroup), s.Weight))
	}
	return strings.Join(parts, ", ")
}
