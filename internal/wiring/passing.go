package wiring

import (
	"context"
	"regexp"

	"go.temporal.io/sdk/activity"

	"github.com/switchyard/switchyard/activities/packer"
)

// bakesTried is how often an AMI is baked when AWS's trouble is in the way. It bounds
// what a template that only looks so would cost.
const bakesTried = 4

// passing are the words of Packer's amazon plugin that tell of AWS's trouble and not of
// the template's. The plugin tries a call again whose answer was lost; what it meets then
// is its own doing: a name that is taken, a rule that is there, an image that is gone.
// Names of keys and groups are random, and the name of the AMI is looked for before.
// docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
var passing = []*regexp.Regexp{
	regexp.MustCompile(`api error (RequestLimitExceeded|Throttling\w*|InternalError|InternalFailure|Unavailable|ServiceUnavailable|RequestTimeout|RequestExpired)\b`),
	regexp.MustCompile(`api error (InvalidKeyPair|InvalidGroup|InvalidPermission|InvalidAMIName)\.Duplicate\b`),
	regexp.MustCompile(`Error deregistering existing AMI: .*api error InvalidAMIID\.(NotFound|Unavailable)\b`),
	regexp.MustCompile(`Error deleting existing snapshot: .*api error InvalidSnapshot\.NotFound\b`),
	regexp.MustCompile(`https response error StatusCode: 5\d\d\b`),
	regexp.MustCompile(`request send failed|connection reset by peer|connection refused|i/o timeout|TLS handshake timeout|Client\.Timeout exceeded|: EOF\b`),
}

// amiError is bakeError for AMIs: a bake that AWS's trouble ended is tried again, after
// its left-overs were swept, unless that has been done bakesTried times.
func amiError(ctx context.Context, err error, attempt int) error {
	if ctx.Err() == nil && packer.KindOf(err) == packer.Build && passes(err.Error()) && attempt < bakesTried {
		return err
	}
	return bakeError(ctx, err)
}

func passes(words string) bool {
	for _, p := range passing {
		if p.MatchString(words) {
			return true
		}
	}
	return false
}

// attempt counts those of the activity that bakes, from 1.
func attempt(ctx context.Context) int {
	if !activity.IsActivity(ctx) {
		return 1
	}
	return int(activity.GetInfo(ctx).Attempt)
}
