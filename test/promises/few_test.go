//go:build !promises

package promises

const (
	shards       = 3 // of a hundred schedules each
	holderShards = 1
)
