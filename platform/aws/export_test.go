package aws

import "github.com/switchyard/switchyard/platform/aws/internal/account"

// NewWith is New with the bounds of calls set by a test.
func NewWith(o Options, a account.Options) *AWS {
	out := New(o)
	a.Log, a.Timeout = o.Log, o.Timeout
	out.pool = account.NewPool(a)
	return out
}
