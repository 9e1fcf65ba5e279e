package route

import "time"

// periodsPerBlock are counted as one when they are over: an hour of minutes.
const periodsPerBlock = 60

// span is a stretch of time that is counted in one call.
type span struct {
	from, to time.Time
	period   time.Duration
}

// spans cuts [since, to) so that old stretches cost few data points and every second is
// in exactly one of them: the first block in fine periods, as it may be shared with an
// older fleet; then whole blocks; then the block that is not over, in fine periods.
// Blocks begin at the same moments for all fleets, so they share calls.
func spans(since, to, now time.Time, period time.Duration) (over []span, tail span) {
	block := period * periodsPerBlock
	first, last := since.Truncate(block), to.Truncate(block)
	if first.Before(last) {
		over = append(over, span{first, first.Add(block), keptPeriod(first, now, period)})
		first = first.Add(block)
	}
	if first.Before(last) {
		over = append(over, span{first, last, block})
	}
	if last.Before(to) {
		tail = span{last, to, period}
	}
	return over, tail
}

// How long CloudWatch keeps data points by the length of their period:
// docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#metrics-retention.
// Below a minute they are kept for 3 hours; after 455 days nothing is left.
var kept = []struct {
	until  time.Duration
	period time.Duration
}{
	{3 * time.Hour, time.Second},
	{15 * 24 * time.Hour, time.Minute},
	{63 * 24 * time.Hour, 5 * time.Minute},
	{455 * 24 * time.Hour, time.Hour},
}

// keptPeriod is the finest period, not below the given one, in which CloudWatch still
// has what happened then.
func keptPeriod(then, now time.Time, period time.Duration) time.Duration {
	age := now.Sub(then)
	for _, k := range kept {
		if age < k.until {
			return max(period, k.period)
		}
	}
	return max(period, time.Hour)
}

// counts says whether a period belongs to a fleet made at since. In fine periods those
// that began after it do. In coarse ones, where that would lose requests that were
// counted before, the one in which it was made does too.
func (s span) counts(began, since time.Time, fine time.Duration) bool {
	if s.period == fine {
		return !began.Before(since)
	}
	return began.Add(s.period).After(since)
}
