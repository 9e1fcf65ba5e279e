package route

import (
	"context"
	"time"

	"github.com/switchyard/switchyard/platform/aws/internal/account"
)

// Life is what a test counts: a fleet's requests from since to at, at the time now.
type Life struct {
	Fleet, TargetGroup, Listener string
	Since, At, Now               time.Time
}

// CountLife counts as Requests does, at a time of the test's choosing.
func (r *Router) CountLife(ctx context.Context, acc *account.Account, l Life) (total, failed uint64, err error) {
	m := meter{l.Fleet, l.TargetGroup, l.Since}
	got, err := r.count(ctx, acc, balancerDimension(l.Listener), []meter{m}, l.At, l.Now)
	return got[m].total, got[m].errors, err
}
