package platform

import "context"

type urgentKey struct{}

// Urgent marks what users or a person wait for: a switch, or the way back. A platform
// that makes polls wait for each other, to spare calls, does not make these wait.
func Urgent(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgentKey{}, true)
}

// IsUrgent says whether users or a person wait for what is done with this context.
func IsUrgent(ctx context.Context) bool { return ctx.Value(urgentKey{}) != nil }
