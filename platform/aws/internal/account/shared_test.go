package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/switchyard/switchyard/platform"
)

// source answers with the time at which it was asked, and remembers the calls.
type source struct {
	takes time.Duration // how long a call lasts
	gone  []string      // keys that spoil a call
	fail  func(keys []string) error

	mu    sync.Mutex
	calls [][]string
}

func (s *source) fetch(_ context.Context, keys []string) (map[string]time.Time, error) {
	s.mu.Lock()
	s.calls = append(s.calls, slices.Clone(keys))
	s.mu.Unlock()
	began := time.Now()
	time.Sleep(s.takes)
	if s.fail != nil {
		if err := s.fail(keys); err != nil {
			return nil, err
		}
	}
	found := map[string]time.Time{}
	for _, key := range keys {
		if slices.Contains(s.gone, key) {
			return nil, platform.NotFound("read", strings.Join(keys, ","))
		}
		found[key] = began
	}
	return found, nil
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *source) shared(most, burst int, spacing time.Duration) *shared[time.Time] {
	o := Options{}.withDefaults()
	return newShared(o, rate.NewLimiter(rate.Every(spacing), burst), most, s.fetch)
}

// together starts n callers at once and waits for all.
func together(n int, call func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { call(i) })
	}
	all.Wait()
}

func TestCallersAtTheSameTimeShareACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		read := s.shared(100, 10, time.Second)
		together(50, func(i int) {
			key := fmt.Sprint("group-", i%25)
			found, err := read.get(t.Context(), key, "all")
			require.NoError(t, err)
			require.Len(t, found, 2)
			require.Contains(t, found, key)
		})
		require.Equal(t, 1, s.count())
		require.Len(t, s.calls[0], 26)
	})
}

func TestMoreKeysThanACallTakesAreSeveralCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		read := s.shared(10, 10, time.Second)
		keys := make([]string, 25)
		for i := range keys {
			keys[i] = fmt.Sprint(i)
		}
		found, err := read.get(t.Context(), keys...)
		require.NoError(t, err)
		require.Len(t, found, 25)
		require.Equal(t, 3, s.count())
		for _, call := range s.calls {
			require.LessOrEqual(t, len(call), 10)
		}
	})
}

func TestAReadIsNeverOlderThanItsQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: 3 * time.Second}
		read := s.shared(1, 2, 5*time.Second)
		together(40, func(i int) {
			time.Sleep(time.Duration(i) * 700 * time.Millisecond)
			asked := time.Now()
			found, err := read.get(t.Context(), "key")
			require.NoError(t, err)
			require.False(t, found["key"].Before(asked), "read at %s, asked at %s", found["key"], asked)
		})
	})
}

func TestTheNumberOfCallsIsBoundedWhateverTheNumberOfCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: 100 * time.Millisecond}
		read := s.shared(1, 10, 2*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		together(200, func(i int) {
			for ctx.Err() == nil {
				_, _ = read.get(ctx, fmt.Sprint("target-", i))
			}
		})
		require.LessOrEqual(t, s.count(), 10+30+1)
		require.Greater(t, s.count(), 30)
	})
}

func TestReadsTakeTurnsInTheOrderOfAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		read := s.shared(1, 1, time.Second)
		together(20, func(i int) {
			time.Sleep(time.Duration(i) * time.Millisecond)
			_, err := read.get(t.Context(), fmt.Sprintf("%02d", i))
			require.NoError(t, err)
		})
		require.True(t, slices.IsSortedFunc(s.calls, func(a, b []string) int { return strings.Compare(a[0], b[0]) }), "%v", s.calls)
	})
}

func TestAnUrgentReadDoesNotWaitForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		read := s.shared(1, 1, time.Minute)
		for i := range 5 {
			go func() { _, _ = read.get(t.Context(), fmt.Sprint("slow-", i)) }()
		}
		time.Sleep(time.Second)
		asked := time.Now()
		_, err := read.get(Urgent(t.Context()), "now")
		require.NoError(t, err)
		require.Less(t, time.Since(asked), time.Second)
		require.Equal(t, 2, s.count(), "the others wait on")
		time.Sleep(10 * time.Minute)
		require.Equal(t, 6, s.count())
	})
}

func TestWhatIsNotThereIsAbsentAndSpoilsNobodysRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{gone: []string{"k3", "k7"}}
		read := s.shared(10, 100, time.Second)
		ask := func() {
			together(10, func(i int) {
				key := fmt.Sprint("k", i)
				found, err := read.get(t.Context(), key)
				require.NoError(t, err)
				require.Equal(t, !slices.Contains(s.gone, key), len(found) == 1, key)
			})
		}
		ask()
		first := s.count()
		ask()
		require.Equal(t, 3, s.count()-first, "those that spoiled a call go alone")
		s.gone = nil
		ask() // found when asked alone
		first = s.count()
		ask()
		require.Equal(t, 1, s.count()-first, "back with the others")
	})
}

func TestAnErrorIsOnlyTheErrorOfThoseWhoseCallFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{fail: func(keys []string) error {
			if slices.Contains(keys, "0") {
				return platform.NewError(platform.KindThrottled, "read", "0", "", errors.New("slow down"))
			}
			return nil
		}}
		read := s.shared(5, 10, time.Second)
		var mu sync.Mutex
		failed := 0
		together(10, func(i int) {
			_, err := read.get(t.Context(), fmt.Sprint(i))
			if err != nil {
				require.Equal(t, platform.KindThrottled, platform.KindOf(err))
				mu.Lock()
				failed++
				mu.Unlock()
			}
		})
		require.Equal(t, 5, failed)
	})
}

func TestWhoLeavesTakesNobodyAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: 10 * time.Second}
		read := s.shared(10, 10, time.Second)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		together(2, func(i int) {
			if i == 0 {
				_, err := read.get(short, "key")
				require.ErrorIs(t, err, context.DeadlineExceeded)
				return
			}
			found, err := read.get(t.Context(), "key")
			require.NoError(t, err)
			require.Len(t, found, 1)
		})
		require.Equal(t, 1, s.count())
	})
}

func TestWhatNobodyWaitsForIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		read := s.shared(1, 1, time.Minute)
		_, err := read.get(t.Context(), "first")
		require.NoError(t, err)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = read.get(short, "second")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, s.count())
		_, err = read.get(t.Context(), "third")
		require.NoError(t, err)
	})
}

func TestAPanicIsAnErrorAndNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{fail: func([]string) error { panic("boom") }}
		read := s.shared(10, 10, time.Second)
		_, err := read.get(t.Context(), "key")
		require.ErrorContains(t, err, "boom")
		s.fail = nil
		_, err = read.get(t.Context(), "key")
		require.NoError(t, err)
	})
}

func TestACallThatTakesTooLongIsNotTheCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := newShared(Options{}.withDefaults(), rate.NewLimiter(1, 1), 10, func(ctx context.Context, _ []string) (map[string]int, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		_, err := read.get(t.Context(), "key")
		require.Error(t, err)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "no answer within")
	})
}
