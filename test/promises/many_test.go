//go:build promises

package promises

const (
	shards       = 100 // of a hundred schedules each
	holderShards = 5
)
